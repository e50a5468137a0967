package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/yapingcat/gomedia/go-mp4"

	"github.com/ringcast/ringcast/packager/flv"
)

// mp4Demuxer reads an MP4 file with gomedia.
type mp4Demuxer struct {
	file  *os.File
	demux *mp4.MovDemuxer
}

func openMP4(name string) (demuxer, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open stream file: %w", err)
	}
	d := &mp4Demuxer{file: f, demux: mp4.CreateMp4Demuxer(f)}
	err = guarded("MP4 file", func() error {
		tracks, err := d.demux.ReadHead()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read MP4 file: %w", err)
		}
		if len(tracks) == 0 {
			return errNothing
		}
		return nil
	})
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return d, nil
}

var mp4Codecs = map[mp4.MP4_CODEC_TYPE]flv.FourCC{
	mp4.MP4_CODEC_H264: flv.AVC, mp4.MP4_CODEC_H265: flv.HEVC, mp4.MP4_CODEC_AAC: flv.AAC, mp4.MP4_CODEC_MP3: flv.MP3, mp4.MP4_CODEC_OPUS: flv.Opus,
}

func (d *mp4Demuxer) next() (f frame, err error) {
	err = guarded("MP4 file", func() error {
		for {
			p, err := d.demux.ReadPacket()
			if err != nil {
				return err
			}
			codec, ok := mp4Codecs[p.Cid]
			if !ok {
				continue
			}
			// The library reuses buffers: what goes on is a copy.
			f = frame{
				codec: codec, data: bytes.Clone(p.Data),
				dts: time.Duration(int64(p.Dts)) * time.Millisecond, pts: time.Duration(int64(p.Pts)) * time.Millisecond,
			}
			return nil
		}
	})
	return f, err
}

func (d *mp4Demuxer) close() error { return d.file.Close() }
