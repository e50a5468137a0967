package rtmp

import (
	"net/url"
	"strings"

	"github.com/ringcast/ringcast/packager"
)

// streamPath puts a stream's canonical path and its publish key together from
// what clients split in different places: the application, the URL they
// connected to, and the name they publish. A query may stand behind each.
func streamPath(app, tcURL, name string) (path, key string, err error) {
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
		return "", "", err
	}
	for _, query := range []string{query2, query1, query3} {
		if key = queryKey(query); key != "" {
			break
		}
	}
	return path, key, nil
}

// queryKey returns the value of "key" in a query. A plus sign stands for
// itself: keys are no forms.
func queryKey(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(pair, "key="); ok {
			if decoded, err := url.PathUnescape(value); err == nil {
				return decoded
			}
			return value
		}
	}
	return ""
}
