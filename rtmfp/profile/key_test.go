package profile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ringcast/ringcast/rtmfp"
)

func TestPacketsAllocateNothing(t *testing.T) {
	for name, pair := range keyPairs(t) {
		buf := make([]byte, 2000)
		if n := testing.AllocsPerRun(100, func() {
			at := pair[0].Head()
			p := buf[:at+1100]
			binary.BigEndian.PutUint16(p[at:], 0x0912)
			if _, ok := pair[1].Open(pair[0].Seal(p)); !ok {
				t.Fatal("does not open")
			}
		}); n != 0 {
			t.Errorf("%s: %.0f allocations for a packet, want none", name, n)
		}
	}
}

// The own chaining is that of the standard library.
func TestDecryptCBC(t *testing.T) {
	block, err := aes.NewCipher(count(1, 16))
	if err != nil {
		t.Fatal(err)
	}
	for n := 16; n <= 16*80; n += 16 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i * i)
		}
		want := make([]byte, n)
		cipher.NewCBCDecrypter(block, zeroIV[:]).CryptBlocks(want, b)
		if decryptCBC(block, b); !bytes.Equal(b, want) {
			t.Fatalf("%d bytes differ", n)
		}
	}
}

// keyPairs are session keys of all kinds, for both directions.
func keyPairs(t testing.TB) map[string][2]rtmfp.SessionKey {
	pairs := make(map[string][2]rtmfp.SessionKey)
	for name, aes := range map[string]bool{"modern-aes": true, "modern-chacha": false} {
		i, r := modernPair(t, aes)
		pairs[name] = [2]rtmfp.SessionKey{i, r}
	}
	for name, component := range map[string]string{"flash-checksum": "B.R", "flash-hmac": "A.R"} {
		a, b := derivePair(t, "A.I", component)
		pairs[name] = [2]rtmfp.SessionKey{a.Key, b.Key}
	}
	return pairs
}

// packetSizes are a full packet and one with an acknowledgement.
var packetSizes = []int{1160, 40}

func BenchmarkSeal(b *testing.B) {
	pairs := keyPairs(b)
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		pair := pairs[name]
		for _, size := range packetSizes {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				buf := make([]byte, 2000)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					_ = pair[0].Seal(buf[:pair[0].Head()+size])
				}
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	pairs := keyPairs(b)
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		pair := pairs[name]
		for _, size := range packetSizes {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				// Each packet opens once: they are sealed beforehand, a batch
				// at a time.
				const batch = 512
				packets, memory := make([][]byte, batch), make([]byte, batch*2000)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					if i%batch == 0 {
						b.StopTimer()
						for j := range packets {
							room := memory[j*2000 : (j+1)*2000]
							packets[j] = pair[0].Seal(room[:pair[0].Head()+size])
						}
						b.StartTimer()
					}
					if _, ok := pair[1].Open(packets[i%batch]); !ok {
						b.Fatal("does not open")
					}
				}
			})
		}
	}
}
