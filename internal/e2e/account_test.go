package e2e

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestAccountOfEncoders publishes with a user and a password as each encoder
// gives them: FFmpeg and GStreamer by Adobe's challenge over RTMP, FFmpeg by
// digest over RTSP. Whoever has the wrong ones is refused.
func TestAccountOfEncoders(t *testing.T) {
	n := startNode(t, "publish", "--publish-user", "me", "--publish-password", "sesame", "--stream", "cam")
	rtmp, rtsp := strings.TrimPrefix(n.RTMP, "rtmp://"), strings.TrimPrefix(n.Streams[0].RTSP, "rtsp://")
	rtsp = strings.TrimSuffix(rtsp, "cam")
	clip := moduleRoot + "/ingest/file/clip.flv"
	ffmpeg := func(args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-re", "-i", clip, "-t", "4", "-c", "copy"}, args...)...)
	}
	gst := func(sink ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), "gst-launch-1.0", append([]string{
			"-q", "-e", "videotestsrc", "num-buffers=100", "is-live=true", "!", "video/x-raw,width=320,height=180,framerate=25/1", "!",
			"x264enc", "key-int-max=25", "tune=zerolatency", "!", "h264parse", "!", "flvmux", "streamable=true", "!",
		}, sink...)...)
	}
	tests := []struct {
		name string
		cmd  *exec.Cmd
		ok   bool
	}{
		{"ffmpeg-rtmp", ffmpeg("-f", "flv", "rtmp://me:sesame@"+rtmp+"/ffmpeg-rtmp"), true},
		{"ffmpeg-rtmp-query", ffmpeg("-f", "flv", "rtmp://"+rtmp+"/ffmpeg-rtmp-query?user=me&pass=sesame"), false}, // it is challenged first
		{"ffmpeg-rtmp-wrong", ffmpeg("-f", "flv", "rtmp://me:wrong@"+rtmp+"/ffmpeg-rtmp-wrong"), false},
		{"ffmpeg-rtmp-nobody", ffmpeg("-f", "flv", "rtmp://you:sesame@"+rtmp+"/ffmpeg-rtmp-nobody"), false},
		{"ffmpeg-rtsp", ffmpeg("-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://me:sesame@"+rtsp+"ffmpeg-rtsp"), true},
		{"ffmpeg-rtsp-udp", ffmpeg("-f", "rtsp", "-rtsp_transport", "udp", "rtsp://me:sesame@"+rtsp+"ffmpeg-rtsp-udp"), true},
		{"ffmpeg-rtsp-wrong", ffmpeg("-f", "rtsp", "-rtsp_transport", "tcp", "rtsp://me:wrong@"+rtsp+"ffmpeg-rtsp-wrong"), false},
		{"gst-rtmp2sink", gst("rtmp2sink", "location=rtmp://me:sesame@"+rtmp+"/gst-rtmp2sink"), true},
		// Debian's librtmp takes a password too (pubUser, pubPasswd), but
		// crashes before it says a word.
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			done := start(t, tt.cmd)
			live := func() bool {
				_, body := get(t, n.HTTP+"/api/v1/streams/live/"+tt.name)
				return strings.Contains(string(body), `"state":"live"`)
			}
			if tt.ok {
				eventually(t, 20*time.Second, "the stream is live", live)
				wait(t, "push", done, 30*time.Second)
				return
			}
			select {
			case err := <-done:
				if err == nil {
					t.Error("the encoder thinks that it was let in")
				}
			case <-time.After(30 * time.Second):
				t.Error("the encoder was neither refused nor let in")
			}
			if live() {
				t.Error("the stream is live")
			}
		})
	}
	if strings.Contains(n.log.String(), "sesame") {
		t.Error("the password is in the log")
	}
}

// The publish key is taken as the password of any user too.
func TestKeyAsPassword(t *testing.T) {
	n := startNode(t, "publish", "--publish-key", "k", "--stream", "cam")
	push := func(user string) error {
		url := strings.Replace(n.Streams[0].RTSP, "rtsp://", "rtsp://"+user+"@", 1)
		return exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", moduleRoot+"/ingest/file/clip.flv", "-t", "1", "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", url).Run()
	}
	if err := push("anybody:k"); err != nil {
		t.Errorf("the key as the password: %v", err)
	}
	if push("anybody:wrong") == nil {
		t.Error("a wrong password is accepted")
	}
}
