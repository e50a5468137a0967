package flv

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/ringcast/ringcast/packager"
	"github.com/ringcast/ringcast/packager/flv"
)

// Bounds of a tag's body. They keep a stranger's file from asking for memory
// that no real stream needs.
const (
	maxVideoBody = 8 << 20
	maxOtherBody = 1 << 20
)

// ErrTagTooLong means that a tag is longer than any real one.
var ErrTagTooLong = errors.New("FLV tag is too long")

// Reader reads the tags of an FLV stream. It is not safe for concurrent use.
type Reader struct {
	r      *bufio.Reader
	begun  bool
	header [flv.TagHeaderLen]byte
}

// NewReader returns a reader of the FLV stream r.
func NewReader(r io.Reader) *Reader { return &Reader{r: bufio.NewReaderSize(r, 64<<10)} }

// Read returns the next tag as a message, whose payload nobody else has. It
// returns io.EOF at the end, and io.ErrUnexpectedEOF if the stream ends
// within a tag.
func (r *Reader) Read() (packager.Message, error) {
	if !r.begun {
		if err := r.readFileHeader(); err != nil {
			return packager.Message{}, err
		}
		r.begun = true
	}
	if _, err := io.ReadFull(r.r, r.header[:]); err != nil {
		return packager.Message{}, err
	}
	h, err := flv.ParseTagHeader(r.header[:])
	if err != nil {
		return packager.Message{}, err
	}
	limit := maxOtherBody
	if h.Type == flv.TypeVideo {
		limit = maxVideoBody
	}
	if h.Size > limit {
		return packager.Message{}, fmt.Errorf("%w: %d bytes", ErrTagTooLong, h.Size)
	}
	body := make([]byte, h.Size)
	if _, err := io.ReadFull(r.r, body); err != nil {
		return packager.Message{}, cutOff(err)
	}
	// The last PreviousTagSize is missing in files that were cut off or are
	// still written; the tag before it is whole all the same.
	if _, err := r.r.Discard(flv.TrailerLen); err != nil && !errors.Is(err, io.EOF) {
		return packager.Message{}, err
	}
	return packager.NewMessage(packager.MessageType(h.Type), h.Timestamp, body), nil
}

func (r *Reader) readFileHeader() error {
	var head [flv.FileHeaderLen]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return cutOff(err)
	}
	offset, err := flv.ParseFileHeader(head[:])
	if err != nil {
		return err
	}
	if _, err := r.r.Discard(offset - flv.FileHeaderLen + flv.TrailerLen); err != nil {
		return cutOff(err)
	}
	return nil
}

// cutOff turns an end that comes too early into io.ErrUnexpectedEOF.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
