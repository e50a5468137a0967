// Package prefetch tells the processor what memory will be read soon. Who visits
// thousands of objects in an order that is known ahead spends most of its time
// waiting for memory; asking for several objects at once makes these waits one.
package prefetch
