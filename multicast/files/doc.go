// Package files shares files in a group: one member loads a file, others fetch
// it by its name, and whoever has a part of it gives it to the rest.
//
//	s := files.NewShare(group)
//	go s.Serve(ctx)
//	err := s.Load(ctx, "talk.mp4", files.LoadOptions{})          // or
//	err := s.Fetch(ctx, files.FetchOptions{Name: "talk.mp4", Path: "talk.mp4"})
//
// Pieces are read from the disk when they are asked for and written to it as
// they come, each checked by its hash, so the memory that a file takes is its
// hashes: 32 bytes for each 64 KiB. Package overlay/manifest says what travels.
package files
