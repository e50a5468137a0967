package packager

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// CatalogName is the name of the data message that carries a [Catalog]. Other
// implementations ignore it as metadata that they do not know.
const CatalogName = "onRingcastCatalog"

// ErrCatalog is returned for a catalogue message with impossible values.
var ErrCatalog = errors.New("catalogue is malformed")

// AppendCatalog appends the catalogue as the body of a data message. Times are
// milliseconds.
func AppendCatalog(b []byte, c Catalog) []byte {
	ms := func(d time.Duration) amf0.Value { return amf0.Number(float64(d.Milliseconds())) }
	return amf0.Append(b, amf0.String(CatalogName), amf0.Object(
		amf0.Property{Name: "version", Value: amf0.Number(1)},
		amf0.Property{Name: "epoch", Value: amf0.String(strconv.FormatUint(c.Epoch, 16))},
		amf0.Property{Name: "time", Value: ms(c.MediaTime)},
		amf0.Property{Name: "wall", Value: amf0.Number(float64(c.Wall))},
		amf0.Property{Name: "segment", Value: amf0.Number(float64(c.Segment.Number))},
		amf0.Property{Name: "start", Value: ms(c.Segment.Start)},
		amf0.Property{Name: "independent", Value: amf0.Bool(c.Segment.Independent)},
		amf0.Property{Name: "discontinuity", Value: amf0.Number(float64(c.Segment.Discontinuity))},
		amf0.Property{Name: "segmentMin", Value: ms(c.Segmentation.Min)},
		amf0.Property{Name: "target", Value: ms(c.Segmentation.Target)},
		amf0.Property{Name: "part", Value: ms(c.Segmentation.Part)},
		amf0.Property{Name: "video", Value: amf0.Bool(c.Video)},
		amf0.Property{Name: "audio", Value: amf0.Bool(c.Audio)},
	))
}

// parseCatalog reads the object of a catalogue message.
func parseCatalog(v amf0.Value) (Catalog, error) {
	r := catalogReader{v: v}
	c := Catalog{
		MediaTime: r.ms("time", -math.MaxInt32, maxMediaTime),
		Wall:      int64(r.number("wall", -1<<52, 1<<52)),
		Segment: Cut{
			Number: uint64(r.number("segment", 1, 1<<52)), Start: r.ms("start", -math.MaxInt32, maxMediaTime),
			Independent: r.flag("independent"), Discontinuity: uint64(r.number("discontinuity", 0, 1<<52)),
		},
		Segmentation: Segmentation{Min: r.ms("segmentMin", 100, 60_000), Target: r.ms("target", 1000, 60_000), Part: r.ms("part", 50, 10_000)},
		Video:        r.flag("video"), Audio: r.flag("audio"),
	}
	epoch, err := strconv.ParseUint(v.Text("epoch"), 16, 64)
	if r.bad || err != nil || r.number("version", 1, 1<<16) == 0 {
		return Catalog{}, ErrCatalog
	}
	c.Epoch = epoch
	return c, nil
}

// maxMediaTime is the longest media time in milliseconds, about 100 years.
const maxMediaTime = 1 << 42

type catalogReader struct {
	v   amf0.Value
	bad bool
}

func (r *catalogReader) number(name string, least, most float64) float64 {
	p, ok := r.v.Get(name)
	if !ok || p.Kind != amf0.KindNumber || !(p.Number >= least && p.Number <= most) {
		r.bad = true
		return 0
	}
	return math.Trunc(p.Number)
}

func (r *catalogReader) ms(name string, least, most float64) time.Duration {
	return time.Duration(r.number(name, least, most)) * time.Millisecond
}

func (r *catalogReader) flag(name string) bool {
	p, ok := r.v.Get(name)
	if !ok || p.Kind != amf0.KindBool {
		r.bad = true
	}
	return p.Bool
}
