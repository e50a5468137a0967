package mpegts

import (
	"encoding/binary"
	"errors"
)

// PacketLen is the length of a transport packet.
const PacketLen = 188

// MetadataPID is the packet identifier of the metadata stream.
const MetadataPID = 0x1f0

const (
	syncByte        = 0x47
	patPID          = 0
	tablePAT        = 0
	tablePMT        = 2
	streamMetadata  = 0x15
	privateStream1  = 0xbd
	sectionOverhead = 3 // table and length, before what the length counts
)

// ErrTable is returned for a packet that holds no table of the kind expected,
// whole and in one packet.
var ErrTable = errors.New("packet holds no such table")

// pidOf returns the packet identifier of a packet.
func pidOf(packet []byte) int { return int(packet[1]&0x1f)<<8 | int(packet[2]) }

// section returns the table that begins in a packet, without its checksum, and
// where it stands.
func section(packet []byte, table byte) (body []byte, at int, err error) {
	if len(packet) != PacketLen || packet[0] != syncByte || packet[1]&0x40 == 0 || packet[3]&0x10 == 0 {
		return nil, 0, ErrTable
	}
	at = 4
	if packet[3]&0x20 != 0 {
		at += 1 + int(packet[4])
	}
	if at < PacketLen {
		at += 1 + int(packet[at]) // the pointer field
	}
	if at+sectionOverhead > PacketLen || packet[at] != table {
		return nil, 0, ErrTable
	}
	end := at + sectionOverhead + int(packet[at+1]&0x0f)<<8 + int(packet[at+2])
	if end > PacketLen || end-at < sectionOverhead+9 {
		return nil, 0, ErrTable
	}
	return packet[at : end-4], at, nil
}

// ProgramMap returns the packet identifier of the first program's map, from a
// packet with the program association table.
func ProgramMap(packet []byte) (int, error) {
	body, _, err := section(packet, tablePAT)
	if err != nil || pidOf(packet) != patPID || len(body) < 12 {
		return 0, ErrTable
	}
	return int(body[10]&0x1f)<<8 | int(body[11]), nil
}

// DeclareMetadata adds the metadata stream to the program map table that a
// packet holds, in place, and gives the table a version of its own.
func DeclareMetadata(packet []byte) error {
	body, at, err := section(packet, tablePMT)
	if err != nil || len(body) < 12 {
		return ErrTable
	}
	info := 12 + int(body[10]&0x0f)<<8 + int(body[11])
	if info > len(body) {
		return ErrTable
	}
	id3 := []byte{0xff, 0xff, 'I', 'D', '3', ' ', 0xff, 'I', 'D', '3', ' ', 0}
	pointer := append([]byte{0x25, 15}, id3...) // metadata_pointer_descriptor
	pointer = append(pointer, 0x1f, body[3], body[4])
	stream := []byte{streamMetadata, 0xe0 | MetadataPID>>8, MetadataPID & 0xff, 0xf0, 15, 0x26, 13} // metadata_descriptor
	stream = append(append(stream, id3...), 0x0f)

	table := append([]byte(nil), body[:info]...)
	table = append(append(append(table, pointer...), body[info:]...), stream...)
	length := len(table) + 4 - sectionOverhead
	if at+len(table)+4 > PacketLen {
		return ErrTable
	}
	programInfo := info - 12 + len(pointer)
	table[1], table[2] = table[1]&0xf0|byte(length>>8), byte(length)
	table[5] = table[5]&0xc1 | (table[5]>>1+1)&0x1f<<1
	table[10], table[11] = table[10]&0xf0|byte(programInfo>>8), byte(programInfo)
	n := copy(packet[at:], binary.BigEndian.AppendUint32(table, checksum(table)))
	for i := at + n; i < PacketLen; i++ {
		packet[i] = 0xff
	}
	return nil
}

// checksum is CRC-32/MPEG-2.
func checksum(b []byte) uint32 {
	crc := uint32(0xffffffff)
	for _, v := range b {
		crc ^= uint32(v) << 24
		for range 8 {
			if crc&0x80000000 != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// maxTag is the longest tag that one PES packet holds.
const maxTag = 0xffff - 8

// AppendMetadata appends the packets that carry a tag at a presentation time in
// 90 kHz. counter is the continuity counter of the stream, which it moves on. A
// tag that is too long is left out.
func AppendMetadata(b []byte, counter *byte, pts int64, tag []byte) []byte {
	if len(tag) > maxTag {
		return b
	}
	p := uint64(pts) & (1<<33 - 1)
	pes := []byte{0, 0, 1, privateStream1}
	pes = binary.BigEndian.AppendUint16(pes, uint16(8+len(tag)))
	pes = append(pes, 0x84, 0x80, 5, // aligned, with a presentation time
		0x21|byte(p>>29&0x0e), byte(p>>22), byte(p>>14)|1, byte(p>>7), byte(p<<1)|1)
	pes = append(pes, tag...)
	for first := true; len(pes) > 0; first = false {
		header := [4]byte{syncByte, MetadataPID >> 8, MetadataPID & 0xff, 0x10 | *counter&0x0f}
		if first {
			header[1] |= 0x40
		}
		*counter = (*counter + 1) & 0x0f
		stuffing := PacketLen - 4 - len(pes)
		if stuffing > 0 {
			header[3] |= 0x20
		}
		b = append(b, header[:]...)
		if stuffing > 0 {
			b = append(b, byte(stuffing-1))
		}
		if stuffing > 1 {
			b = append(b, 0)
			for range stuffing - 2 {
				b = append(b, 0xff)
			}
		}
		n := min(len(pes), PacketLen-4)
		b = append(b, pes[:n]...)
		pes = pes[n:]
	}
	return b
}
