package rtmp

import (
	"net/url"
	"strings"

	"github.com/ringcast/ringcast/packager"
)

// streamPath puts a stream's canonical path and its queries together from what
// clients split in different places: the application, the URL they
// connected to, and the name they publish. A query may stand behind each.
func streamPath(app, tcURL, name string) (path string, query queries, err error) {
	app, query1, _ := strings.Cut(app, "?")
	name, query2, _ := strings.Cut(name, "?")
	_, query3, _ := strings.Cut(tcURL, "?")
	for _, prefix := range []string{"mp4:", "flv:", "live:"} {
		name = strings.TrimPrefix(name, prefix)
	}
	joined := app + "/" + name
	// Segments are decoded once. What decodes to nothing sensible stays.
	if decoded, err := url.PathUnescape(joined); err == nil {
		joined = decoded
	}
	if path, err = packager.CleanStreamPath(joined); err != nil {
		return "", queries{}, err
	}
	return path, queries{query2, query1, query3}, nil
}

// queries are those that a client gave in different places, the one that counts
// first.
type queries [3]string

// get returns the value of a parameter. A plus sign stands for itself: keys are
// no forms.
func (q queries) get(name string) string {
	for _, query := range q {
		for pair := range strings.SplitSeq(query, "&") {
			value, ok := strings.CutPrefix(pair, name+"=")
			if !ok || value == "" {
				continue
			}
			if decoded, err := url.PathUnescape(value); err == nil {
				return decoded
			}
			return value
		}
	}
	return ""
}
