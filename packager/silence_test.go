package packager

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"

	"github.com/ringcast/ringcast/packager/aac"
	"github.com/ringcast/ringcast/packager/opus"
)

// A silent unit of each kind of track decodes, without an error, to as many
// samples as it says, all of them zero.
func TestSilentUnitsDecode(t *testing.T) {
	for channels := 1; channels <= 7; channels++ {
		config := []byte{2<<3 | 3>>1, 3<<7&0x80 | byte(channels)<<3}
		track, err := NewTrack(CodecAAC, config)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprintf("AAC %d", channels), func(t *testing.T) {
			unit, samples := track.SilentUnit()
			c, err := aac.ParseConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			var stream []byte
			for range 8 {
				if stream, err = c.AppendADTS(stream, len(unit)); err != nil {
					t.Fatal(err)
				}
				stream = append(stream, unit...)
			}
			checkSilence(t, decode(t, "aac", stream), 8*int(samples)*track.Channels)
		})
	}
	for _, head := range [][]byte{{0xff, 0xfb, 0x90, 0x64}, {0xff, 0xf3, 0x40, 0xc4}} {
		track, err := NewTrack(CodecMP3, head)
		if err != nil {
			t.Fatal(err)
		}
		t.Run("MP3", func(t *testing.T) {
			unit, samples := track.SilentUnit()
			// The decoder keeps the first frame to itself.
			checkSilence(t, decode(t, "mp3", bytes.Repeat(unit, 9)), 8*int(samples)*track.Channels)
		})
	}
}

func decode(t *testing.T, format string, stream []byte) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", "-v", "error", "-f", format, "-i", "-", "-f", "s16le", "-")
	cmd.Stdin = bytes.NewReader(stream)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("ffmpeg: %v\n%s", err, stderr.String())
	}
	return out
}

func checkSilence(t *testing.T, pcm []byte, values int) {
	t.Helper()
	if len(pcm) < 2*values {
		t.Errorf("%d bytes of sound, want %d", len(pcm), 2*values)
	}
	for i, b := range pcm {
		if b != 0 && b != 0xff && !(i%2 == 0 && (b <= 2 || b >= 0xfe)) {
			t.Fatalf("byte %d is %#x: not silent", i, b)
		}
	}
}

func TestSilentOpus(t *testing.T) {
	for channels := 1; channels <= 2; channels++ {
		head := opus.Head{Channels: channels, PreSkip: 312, InputRate: opus.ClockRate}.Append(nil)
		track, err := NewTrack(CodecOpus, head)
		if err != nil {
			t.Fatal(err)
		}
		unit, samples := track.SilentUnit()
		if samples != 960 || ToScale(opus.Duration(unit), opus.ClockRate) != 960 {
			t.Errorf("%d channels: %d samples, the packet says %v", channels, samples, opus.Duration(unit))
		}
	}
}
