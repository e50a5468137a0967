package config_test

import (
	"fmt"

	"github.com/ringcast/ringcast/config"
)

// Each value remembers where it was set.
func ExampleLoad() {
	loaded, err := config.Load(config.Sources{Command: "run", Environ: []string{"RINGCAST_HTTP_LISTEN=127.0.0.1:9000"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(loaded.HTTP.Listen, "from", loaded.Origin("http.listen"))

	_, err = config.Load(config.Sources{Command: "run", Environ: []string{"RINGCAST_MULTICAST_WINDOW_DURATION=8"}})
	fmt.Println(err)
	// Output:
	// 127.0.0.1:9000 from environment variable RINGCAST_HTTP_LISTEN
	// multicast.windowDuration: "8" has no unit; allowed: a duration with its unit from 500ms to 1m0s; set by environment variable RINGCAST_MULTICAST_WINDOW_DURATION
}
