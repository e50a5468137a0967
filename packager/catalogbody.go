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
// milliseconds, but for the frame, which is in nanoseconds.
func AppendCatalog(b []byte, c Catalog) []byte {
	ms := func(d time.Duration) amf0.Value { return amf0.Number(float64(d.Milliseconds())) }
	properties := []amf0.Property{
		{Name: "version", Value: amf0.Number(1)},
		{Name: "epoch", Value: amf0.String(strconv.FormatUint(c.Epoch, 16))},
		{Name: "time", Value: ms(c.MediaTime)},
		{Name: "wall", Value: amf0.Number(float64(c.Wall))},
		{Name: "segment", Value: amf0.Number(float64(c.Segment.Number))},
		{Name: "start", Value: ms(c.Segment.Start)},
		{Name: "independent", Value: amf0.Bool(c.Segment.Independent)},
		{Name: "discontinuity", Value: amf0.Number(float64(c.Segment.Discontinuity))},
		{Name: "segmentMin", Value: ms(c.Segmentation.Min)},
		{Name: "target", Value: ms(c.Segmentation.Target)},
		{Name: "part", Value: ms(c.Segmentation.Part)},
		{Name: "video", Value: amf0.Bool(c.Video)},
		{Name: "audio", Value: amf0.Bool(c.Audio)},
	}
	if c.Frame > 0 {
		properties = append(properties, amf0.Property{Name: "frame", Value: amf0.Number(float64(c.Frame))})
	}
	if c.FrameRate > 0 {
		properties = append(properties, amf0.Property{Name: "frameRate", Value: amf0.Number(c.FrameRate)})
	}
	if c.HasAudioMark {
		properties = append(properties,
			amf0.Property{Name: "audioTime", Value: ms(c.AudioMark.DTS)},
			amf0.Property{Name: "audioAt", Value: amf0.Number(float64(c.AudioMark.At))})
	}
	return amf0.Append(b, amf0.String(CatalogName), amf0.Object(properties...))
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
	if r.has("frame") {
		c.Frame = time.Duration(r.number("frame", 1, float64(maxFrame)))
	}
	if r.has("frameRate") {
		c.FrameRate = r.real("frameRate", 0, 1000)
	}
	if r.has("audioTime") {
		c.HasAudioMark = true
		c.AudioMark = AudioMark{r.ms("audioTime", -math.MaxInt32, maxMediaTime), int64(r.number("audioAt", -1<<52, 1<<52))}
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

func (r *catalogReader) has(name string) bool {
	_, ok := r.v.Get(name)
	return ok
}

func (r *catalogReader) number(name string, least, most float64) float64 {
	return math.Trunc(r.real(name, least, most))
}

func (r *catalogReader) real(name string, least, most float64) float64 {
	p, ok := r.v.Get(name)
	if !ok || p.Kind != amf0.KindNumber || !(p.Number >= least && p.Number <= most) {
		r.bad = true
		return 0
	}
	return p.Number
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
