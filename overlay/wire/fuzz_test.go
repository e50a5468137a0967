package wire

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
)

// fuzz checks that a parser takes any bytes without writing to them, and that
// what it accepts comes back the same from its own bytes.
func fuzz[T any](f *testing.F, parse func([]byte) (T, error), again func([]byte, T) []byte, kinds ...byte) {
	for _, v := range vectors(f) {
		if b := unhex(f, v.hex); slices.Contains(kinds, b[0]) {
			f.Add(b)
			f.Add(b[:len(b)-1])
			f.Add(append(slices.Clone(b), 0))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		input := bytes.Clone(b)
		m, err := parse(b)
		if !bytes.Equal(b, input) {
			t.Fatal("the parser writes to its input")
		}
		if err != nil {
			return
		}
		second, err := parse(again(nil, m))
		if err != nil || !reflect.DeepEqual(m, second) {
			t.Fatalf("%+v comes back as %+v, %v", m, second, err)
		}
	})
}

func FuzzParseJoin(f *testing.F)    { fuzz(f, ParseJoin, AppendJoin, TypeJoin) }
func FuzzParseMember(f *testing.F)  { fuzz(f, ParseMember, AppendMember, TypeMember) }
func FuzzParseConnect(f *testing.F) { fuzz(f, ParseConnect, AppendConnect, TypeConnect) }
func FuzzParseReady(f *testing.F)   { fuzz(f, ParseReady, AppendReady, TypeReady, TypeReadyNearest) }
func FuzzParseReport(f *testing.F)  { fuzz(f, ParseReport, AppendReport, TypeReport) }
func FuzzParseRequest(f *testing.F) { fuzz(f, ParseRequest, AppendRequest, TypeRequest) }
func FuzzParseCancel(f *testing.F)  { fuzz(f, ParseCancel, AppendCancel, TypeCancel) }
func FuzzParseDeny(f *testing.F)    { fuzz(f, ParseDeny, AppendDeny, TypeDeny) }
func FuzzParseObject(f *testing.F)  { fuzz(f, ParseObject, AppendObject, TypeObject) }
func FuzzParseSuspect(f *testing.F) { fuzz(f, ParseSuspect, AppendSuspect, TypeSuspect) }
func FuzzParseRefuse(f *testing.F)  { fuzz(f, ParseRefuse, AppendRefuse, TypeRefuse) }

func FuzzParseRouted(f *testing.F) { fuzz(f, ParseRouted, AppendRouted, 0x11) }

func FuzzParseNeighbors(f *testing.F) {
	fuzz(f, ParseNeighbors, AppendNeighbors, TypeNeighbors)
}

func FuzzParseRelayOpen(f *testing.F) {
	fuzz(f, ParseRelayOpen, AppendRelayOpen, TypeRelayOpen)
}

func FuzzParseRelayData(f *testing.F) {
	fuzz(f, parseRelayData, appendRelayData, TypeRelayData)
}

func FuzzParseRelayClose(f *testing.F) {
	fuzz(f, parseRelayClose, appendRelayClose, TypeRelayClose)
}

func FuzzParsePostKeys(f *testing.F) {
	fuzz(f, parsePostKeys, appendPostKeysOf, TypePostHave, TypePostWant)
}

func FuzzParseHave(f *testing.F) {
	fuzz(f, parseHave, appendHave, TypeHave, TypeHaveAdd, TypeHaveRemove)
}

func FuzzParsePeerEPD(f *testing.F) {
	f.Add(AppendPeerEPD(nil, filled(1)))
	fuzz(f, ParsePeerEPD, AppendPeerEPD)
}
