// Package deps keeps the pinned modules in go.mod until each has its first
// real importer; it goes away then.
package deps

import (
	_ "github.com/abema/go-mp4"
	_ "github.com/asticode/go-astits"
	_ "github.com/bluenviron/gortmplib"
	_ "github.com/bluenviron/gortsplib/v4"
	_ "github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	_ "github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts"
	_ "github.com/grafov/m3u8"
	_ "github.com/pion/rtcp"
	_ "github.com/pion/rtp"
	_ "github.com/pion/sdp/v3"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/viper"
	_ "github.com/yapingcat/gomedia/go-codec"
	_ "github.com/yapingcat/gomedia/go-mp4"
	_ "github.com/yapingcat/gomedia/go-mpeg2"
	_ "golang.org/x/crypto/chacha20poly1305"
	_ "golang.org/x/net/ipv4"
	_ "golang.org/x/sys/unix"
)
