// Package groupspec makes and reads groupspecs: the strings that name a group,
// say what its members may do in it, and are the secret that admits them.
//
//	groupspec = "G:" hex( identity option… 00 extra option… )
//
// The text before the marker, the option of length zero, is the group's
// identity; all that is derived from a groupspec is derived from this text. What
// follows the marker (multicast addresses, bootstrap peers, passwords) may
// differ among the members of a group. Since the identity is text, and options
// that are not known belong to it, a groupspec that came from somebody else is
// kept as it came and never written anew:
//
//	spec, err := groupspec.Parse("G:027f0201010103010c050e74657374011b00")
//	spec.Settings().Name // "test"
//	spec.ID()            // names the group to servers and peers
//	spec.Identity()      // key of the proof that one knows the groupspec
//
// A new one is made of Settings with [New].
package groupspec
