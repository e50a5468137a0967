//go:build unix

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
)

// What a stream is for, in its first byte.
const (
	streamSink  = 's' // bytes are taken and forgotten
	streamUsage = 'u' // answers with what the process has used
)

// usage is what a process has used, as an end of a transfer.
type usage struct{ CPU, Mallocs uint64 }

func readUsage() (u usage) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{uint64(r.Utime.Nano() + r.Stime.Nano()), m.Mallocs}
}

func (u usage) since(before usage) cost {
	return cost{float64(u.CPU-before.CPU) / 1e9, u.Mallocs - before.Mallocs}
}

// cost and result are what `ringcast rtmfp bench --json` prints.
type cost struct {
	CPU         float64 `json:"cpuSeconds"`
	Allocations uint64  `json:"allocations"`
}

type result struct {
	Crypto   string  `json:"crypto"`
	Seconds  float64 `json:"seconds"`
	Bytes    uint64  `json:"bytes"`
	Size     int     `json:"size"`
	Packets  uint64  `json:"packets"`
	Sender   cost    `json:"sender"`
	Receiver cost    `json:"receiver"`
	Both     bool    `json:"both"`
}

const protocol = "ringcast-bench"

// config gives the receiver windows as large as ringcast's.
func config() *quic.Config {
	return &quic.Config{
		InitialStreamReceiveWindow: 1 << 20, MaxStreamReceiveWindow: 8 << 20,
		InitialConnectionReceiveWindow: 1 << 20, MaxConnectionReceiveWindow: 16 << 20,
	}
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "quicbench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("want serve or send")
	}
	switch args[0] {
	case "serve":
		return serve()
	case "send":
		f := flag.NewFlagSet("send", flag.ContinueOnError)
		size := f.Int("size", 16384, "bytes in a write")
		duration := f.Duration("time", 5*time.Second, "how long to send")
		if err := f.Parse(args[1:]); err != nil {
			return err
		}
		return send(f.Arg(0), *size, *duration)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func serve() error {
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	l, err := quic.ListenAddr("127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{protocol}}, config())
	if err != nil {
		return err
	}
	fmt.Println("listening on", l.Addr())
	for {
		c, err := l.Accept(context.Background())
		if err != nil {
			return err
		}
		go func() {
			for {
				s, err := c.AcceptStream(context.Background())
				if err != nil {
					return
				}
				go serveStream(s)
			}
		}()
	}
}

func serveStream(s *quic.Stream) {
	kind := make([]byte, 1)
	if _, err := io.ReadFull(s, kind); err != nil {
		return
	}
	if kind[0] == streamUsage {
		u := readUsage()
		b := binary.BigEndian.AppendUint64(nil, u.CPU)
		_, _ = s.Write(binary.BigEndian.AppendUint64(b, u.Mallocs))
		_ = s.Close()
		return
	}
	buf := make([]byte, 1<<16)
	for {
		if _, err := s.Read(buf); err != nil {
			return
		}
	}
}

func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// ask returns what the far end has used.
func ask(ctx context.Context, c *quic.Conn) (usage, error) {
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return usage{}, err
	}
	if _, err := s.Write([]byte{streamUsage}); err != nil {
		return usage{}, err
	}
	b := make([]byte, 16)
	if _, err := io.ReadFull(s, b); err != nil {
		return usage{}, err
	}
	return usage{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, s.Close()
}

func send(addr string, size int, duration time.Duration) error {
	ctx := context.Background()
	c, err := quic.DialAddr(ctx, addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}, config())
	if err != nil {
		return err
	}
	s, err := c.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	var written atomic.Uint64
	go func() {
		payload := make([]byte, size)
		if _, err := s.Write([]byte{streamSink}); err != nil {
			return
		}
		for {
			n, err := s.Write(payload)
			written.Add(uint64(n))
			if err != nil {
				return
			}
		}
	}()
	time.Sleep(min(500*time.Millisecond, duration/4))
	var far, near [2]usage
	var bytes, packets [2]uint64
	var at [2]time.Time
	for i := range 2 {
		if far[i], err = ask(ctx, c); err != nil {
			return err
		}
		at[i], near[i], bytes[i], packets[i] = time.Now(), readUsage(), written.Load(), c.ConnectionStats().PacketsSent
		if i == 0 {
			time.Sleep(duration)
		}
	}
	r := result{
		Crypto:  "quic " + tls.CipherSuiteName(c.ConnectionState().TLS.CipherSuite),
		Seconds: at[1].Sub(at[0]).Seconds(), Bytes: bytes[1] - bytes[0], Size: size, Packets: packets[1] - packets[0],
		Sender: near[1].since(near[0]), Receiver: far[1].since(far[0]), Both: true,
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}
