package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tool runs a program that the test needs and returns its standard output.
// A missing program fails the test.
func tool(t *testing.T, limit time.Duration, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, tail(stderr.String(), 2000))
	}
	return out
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// packet is one packet as ffprobe sees it; times are in milliseconds.
type packet struct {
	DTS, PTS float64
	Size     int
	Key      bool
}

// packets returns a file's packets by kind of stream ("video", "audio"), in
// the file's order.
func packets(t *testing.T, file string, input ...string) map[string][]packet {
	t.Helper()
	args := append(append([]string{"-v", "error"}, input...), packetFields...)
	return parsePackets(t, tool(t, time.Minute, "ffprobe", append(args, file)...))
}

// packetFields are the arguments that make ffprobe list packets.
var packetFields = []string{"-show_entries", "packet=codec_type,pts_time,dts_time,size,flags", "-of", "json"}

// parsePackets reads what ffprobe prints.
func parsePackets(t *testing.T, listing []byte) map[string][]packet {
	t.Helper()
	var probe struct {
		Packets []struct {
			CodecType string `json:"codec_type"`
			PTS       string `json:"pts_time"`
			DTS       string `json:"dts_time"`
			Size      string
			Flags     string
		}
	}
	if err := json.Unmarshal(listing, &probe); err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]packet)
	for _, p := range probe.Packets {
		size, _ := strconv.Atoi(p.Size)
		found[p.CodecType] = append(found[p.CodecType], packet{milliseconds(p.DTS), milliseconds(p.PTS), size, strings.HasPrefix(p.Flags, "K")})
	}
	return found
}

func milliseconds(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return v * 1000
}

// samePackets checks that got has every packet of want with the same times,
// but for one constant offset, which it returns. The tolerance is what
// millisecond timestamps cost. Up to unsent packets may be missing at the end.
// ffprobe gives the first picture of an RTSP stream no time; it counts all the
// same.
func samePackets(t *testing.T, kind string, want, got []packet, dts bool, unsent int) (offset float64) {
	t.Helper()
	if len(got) < len(want) && len(got) >= len(want)-unsent {
		want = want[:len(got)]
	}
	if len(got) != len(want) || len(want) < 2 {
		t.Errorf("%s: %d packets of %d arrived", kind, len(got), len(want))
		return math.NaN()
	}
	const tolerance = 1.01
	offset = got[1].PTS - want[1].PTS
	worst, bad := 0.0, 0
	for i := range want {
		d := math.Abs(got[i].PTS - want[i].PTS - offset)
		if dts && !math.IsNaN(want[i].DTS) { // Matroska tells no decode time of the first pictures
			d = max(d, math.Abs(got[i].DTS-want[i].DTS-offset))
		}
		if i == 0 && math.IsNaN(got[i].PTS) {
			continue
		}
		if worst = max(worst, d); !(d <= tolerance) {
			if bad++; bad <= 3 {
				t.Errorf("%s packet %d: DTS %.3f PTS %.3f ms, want %.3f and %.3f (offset %.3f)", kind, i,
					got[i].DTS-offset, got[i].PTS-offset, want[i].DTS, want[i].PTS, offset)
			}
		}
	}
	t.Logf("%s: %d packets, worst difference %.3f ms, offset %.3f ms", kind, len(got), worst, offset)
	return offset
}

// pictures returns the MD5 of each decoded picture of a file, in order of
// presentation.
func pictures(t *testing.T, file string, input ...string) []string {
	t.Helper()
	args := append([]string{"-v", "error"}, input...)
	args = append(append(append(args, "-i", file), pictureSums...), "-")
	return parseSums(string(tool(t, time.Minute, "ffmpeg", args...)))
}

// pictureSums are the arguments that make ffmpeg print the MD5 of each picture.
var pictureSums = []string{"-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5"}

func parseSums(text string) []string {
	var sums []string
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if fields := strings.Split(lines.Text(), ","); len(fields) == 6 && !strings.HasPrefix(lines.Text(), "#") {
			sums = append(sums, strings.TrimSpace(fields[5]))
		}
	}
	return sums
}

// samePictures checks that got holds the same decoded pictures as want.
func samePictures(t *testing.T, want, got []string) {
	t.Helper()
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%d pictures decoded, want %d", len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("picture %d of %d differs", i, len(want))
			return
		}
	}
}

// clip describes a stream that ffmpeg makes from its generators.
type clip struct {
	name         string
	video, audio []string // encoder arguments; nil for none
	seconds      int
	// container is the file's extension, "flv" if empty.
	container string
}

// make writes the clip as an FLV file and returns its name.
func (c clip) make(t *testing.T, dir string) string {
	t.Helper()
	container, muxer := "flv", "flv"
	if c.container != "" {
		container, muxer = c.container, "matroska"
	}
	file := fmt.Sprintf("%s/%s.%s", dir, c.name, container)
	args := []string{"-v", "error", "-y"}
	if c.video != nil {
		args = append(args, "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25")
	}
	if c.audio != nil {
		args = append(args, "-f", "lavfi", "-i", "sine=440:sample_rate=44100")
	}
	args = append(args, "-t", strconv.Itoa(c.seconds))
	args = append(append(args, c.video...), c.audio...)
	tool(t, time.Minute, "ffmpeg", append(args, "-f", muxer, file)...)
	return file
}

var (
	h264BFrames = []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-b:v", "300k"}
	aac         = []string{"-c:a", "aac", "-b:a", "64k"}
	hevc        = []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25:bframes=2", "-pix_fmt", "yuv420p", "-b:v", "300k"}
	opus        = []string{"-ar", "48000", "-c:a", "libopus", "-b:a", "64k"}
	mp3         = []string{"-c:a", "libmp3lame", "-b:a", "64k"}
)
