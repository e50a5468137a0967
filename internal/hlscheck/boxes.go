package hlscheck

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// box is one MP4 box.
type box struct {
	name string
	body []byte
	// at is where the box begins in its parent.
	at int
}

var errBox = errors.New("box is cut off")

func boxes(b []byte) (list []box, err error) {
	for at := 0; at < len(b); {
		if len(b)-at < 8 {
			return nil, errBox
		}
		n := int(binary.BigEndian.Uint32(b[at:]))
		if n < 8 || n > len(b)-at {
			return nil, fmt.Errorf("%w: %q of %d bytes", errBox, b[at+4:at+8], n)
		}
		list = append(list, box{string(b[at+4 : at+8]), b[at+8 : at+n], at})
		at += n
	}
	return list, nil
}

// find returns the boxes at a path.
func find(b []byte, path ...string) (found []box) {
	list, err := boxes(b)
	if err != nil {
		return nil
	}
	for _, x := range list {
		if x.name != path[0] {
			continue
		}
		if len(path) == 1 {
			found = append(found, x)
		} else {
			found = append(found, find(x.body, path[1:]...)...)
		}
	}
	return found
}

// initTracks returns the timescale of each track of an initialization.
func initTracks(b []byte) (map[uint32]uint32, error) {
	if len(find(b, "ftyp")) != 1 || len(find(b, "moov", "mvex")) != 1 {
		return nil, errors.New("no ftyp, or no moov with mvex")
	}
	if len(find(b, "moov", "trak", "edts")) > 0 {
		return nil, errors.New("edit lists are read differently by players")
	}
	scales := make(map[uint32]uint32)
	for _, trak := range find(b, "moov", "trak") {
		tkhd, mdhd := find(trak.body, "tkhd"), find(trak.body, "mdia", "mdhd")
		if len(tkhd) != 1 || len(mdhd) != 1 || len(tkhd[0].body) < 16 || len(mdhd[0].body) < 16 {
			return nil, errors.New("a track lacks tkhd or mdhd")
		}
		scales[binary.BigEndian.Uint32(tkhd[0].body[12:])] = binary.BigEndian.Uint32(mdhd[0].body[12:])
	}
	if len(scales) == 0 {
		return nil, errors.New("no tracks")
	}
	return scales, nil
}

// run is what a fragment holds of one track.
type run struct {
	track    uint32
	base     uint64
	duration uint64
	samples  int
	sync     bool // the first sample is a sync sample
	anySync  bool
}

// fragments reads a part or segment of fragmented MP4 and checks its boxes.
func fragments(b []byte) ([][]run, error) {
	list, err := boxes(b)
	if err != nil {
		return nil, err
	}
	var all [][]run
	for i, x := range list {
		switch x.name {
		case "styp", "emsg", "prft":
		case "moof":
			if i+1 == len(list) || list[i+1].name != "mdat" {
				return nil, errors.New("moof without mdat")
			}
			runs, err := fragment(x, list[i+1])
			if err != nil {
				return nil, err
			}
			all = append(all, runs)
		case "mdat":
			if i == 0 || list[i-1].name != "moof" {
				return nil, errors.New("mdat without moof")
			}
		default:
			return nil, fmt.Errorf("unexpected box %s", x.name)
		}
	}
	return all, nil
}

func fragment(moof, mdat box) (runs []run, err error) {
	// Data offsets count from the start of the moof box.
	data := mdat.at + 8 - moof.at
	for _, traf := range find(moof.body, "traf") {
		tfhd, tfdt, trun := find(traf.body, "tfhd"), find(traf.body, "tfdt"), find(traf.body, "trun")
		if len(tfhd) != 1 || len(tfdt) != 1 || len(trun) != 1 {
			return nil, errors.New("traf lacks tfhd, tfdt or trun")
		}
		if binary.BigEndian.Uint32(tfhd[0].body)&0x020000 == 0 {
			return nil, errors.New("tfhd without default-base-is-moof")
		}
		if tfdt[0].body[0] != 1 || len(tfdt[0].body) < 12 {
			return nil, errors.New("tfdt is not of version 1")
		}
		r, size, offset, err := parseRun(trun[0].body)
		if err != nil {
			return nil, err
		}
		if offset != data {
			return nil, fmt.Errorf("data offset %d, want %d", offset, data)
		}
		data += size
		r.track = binary.BigEndian.Uint32(tfhd[0].body[4:])
		r.base = binary.BigEndian.Uint64(tfdt[0].body[4:])
		runs = append(runs, r)
	}
	if want := mdat.at - moof.at + 8 + len(mdat.body); data != want {
		return nil, fmt.Errorf("samples end at %d, mdat at %d", data, want)
	}
	return runs, nil
}

// parseRun reads a trun with all fields for each sample.
func parseRun(b []byte) (r run, size, offset int, err error) {
	if len(b) < 12 || binary.BigEndian.Uint32(b)&0xffffff != 0xf01 {
		return r, 0, 0, errors.New("trun lacks fields")
	}
	r.samples = int(binary.BigEndian.Uint32(b[4:]))
	offset = int(binary.BigEndian.Uint32(b[8:]))
	if b = b[12:]; len(b) != 16*r.samples || r.samples == 0 {
		return r, 0, 0, errors.New("trun has the wrong length")
	}
	for i := range r.samples {
		s := b[16*i:]
		d := binary.BigEndian.Uint32(s)
		if d == 0 {
			return r, 0, 0, errors.New("a sample has no duration")
		}
		r.duration += uint64(d)
		size += int(binary.BigEndian.Uint32(s[4:]))
		sync := binary.BigEndian.Uint32(s[8:])&0x10000 == 0
		r.anySync = r.anySync || sync
		if i == 0 {
			r.sync = sync
		}
	}
	return r, size, offset, nil
}

// transport checks an MPEG-TS segment; counters carries the continuity
// counters from one segment to the next.
func transport(b []byte, counters map[int]int) error {
	if len(b) == 0 || len(b)%188 != 0 {
		return fmt.Errorf("%d bytes are no whole number of packets", len(b))
	}
	for i := 0; i < len(b); i += 188 {
		p := b[i : i+188]
		if p[0] != 0x47 {
			return fmt.Errorf("packet %d has no sync byte", i/188)
		}
		pid := int(p[1]&0x1f)<<8 | int(p[2])
		if i == 0 && pid != 0 {
			return fmt.Errorf("the first packet is PID %d, not the PAT", pid)
		}
		if p[3]&0x10 == 0 {
			continue
		}
		cc := int(p[3] & 15)
		if last, ok := counters[pid]; ok && cc != (last+1)&15 {
			return fmt.Errorf("PID %d jumps from %d to %d in packet %d", pid, last, cc, i/188)
		}
		counters[pid] = cc
	}
	return nil
}
