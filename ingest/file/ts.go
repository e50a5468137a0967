package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/yapingcat/gomedia/go-mpeg2"

	"github.com/ringcast/ringcast/packager/flv"
)

// tsDemuxer reads an MPEG-TS file with gomedia, whose demuxer calls back until
// the file ends: a goroutine runs it, one frame ahead.
type tsDemuxer struct {
	file   *os.File
	frames chan frame
	stop   chan struct{}
	once   sync.Once
	done   chan struct{}
	err    error // set before done is closed
}

func openTS(name string) (demuxer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open stream file: %w", err)
	}
	d := &tsDemuxer{file: f, frames: make(chan frame), stop: make(chan struct{}), done: make(chan struct{})}
	go d.run()
	return d, nil
}

var tsCodecs = map[mpeg2.TS_STREAM_TYPE]flv.FourCC{
	mpeg2.TS_STREAM_H264: flv.AVC, mpeg2.TS_STREAM_H265: flv.HEVC, mpeg2.TS_STREAM_AAC: flv.AAC,
	mpeg2.TS_STREAM_AUDIO_MPEG1: flv.MP3, mpeg2.TS_STREAM_AUDIO_MPEG2: flv.MP3,
}

var errStopped = errors.New("the reader was closed")

// run ends with the file, or when the reader is closed.
func (d *tsDemuxer) run() {
	defer close(d.done)
	d.err = guarded("MPEG-TS file", func() error {
		demux := mpeg2.NewTSDemuxer()
		demux.OnFrame = func(cid mpeg2.TS_STREAM_TYPE, data []byte, pts, dts uint64) {
			codec, ok := tsCodecs[cid]
			if !ok {
				return
			}
			f := frame{
				codec: codec, data: bytes.Clone(data),
				dts: time.Duration(int64(dts)) * time.Millisecond, pts: time.Duration(int64(pts)) * time.Millisecond,
			}
			select {
			case d.frames <- f:
			case <-d.stop:
			}
		}
		return demux.Input(stoppable{bufio.NewReaderSize(d.file, 188*512), d.stop})
	})
}

// stoppable ends a reader when a channel is closed.
type stoppable struct {
	io.Reader
	stop <-chan struct{}
}

func (s stoppable) Read(b []byte) (int, error) {
	select {
	case <-s.stop:
		return 0, errStopped
	default:
		return s.Reader.Read(b)
	}
}

func (d *tsDemuxer) next() (frame, error) {
	select {
	case f := <-d.frames:
		return f, nil
	case <-d.done:
		if d.err == nil {
			return frame{}, io.EOF
		}
		return frame{}, d.err
	}
}

func (d *tsDemuxer) close() error {
	d.once.Do(func() { close(d.stop) })
	<-d.done
	return d.file.Close()
}
