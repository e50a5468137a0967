// Package udp drives a protocol core over UDP sockets. It is the only place
// that binds them and that reads the protocol clock.
//
//	driver, err := udp.Listen(udp.DefaultConfig())
//	driver.Attach(endpoint, react)
//	go driver.Run(ctx)                       // until ctx is done
//	err = driver.Do(func(now reliability.Time) { endpoint.… })
//
// One mutex guards the core. The goroutine that has read a batch of datagrams
// takes it, feeds the core, drains it and sends what comes out, all by itself:
// handing batches to another goroutine would cost more than the encryption.
// Calls by Do, the timer and finished work take the same mutex.
//
// On Linux datagrams are read and written in batches (recvmmsg and sendmmsg),
// and runs of equal size in one piece where the kernel can (UDP segmentation
// and receive offload, probed at start). Elsewhere it is one call for each
// datagram.
package udp
