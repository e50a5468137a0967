// Package config gathers the settings of a node from flags, environment
// variables, a YAML file and defaults, in this order of precedence, and checks
// them. One table (see [Settings]) says everything about a setting: its key,
// type, default, allowed values, help, whether it can change while the node
// runs and whether it is a secret. Flags, environment names, the annotated
// example file, the reference page and the error messages are all made from
// this table, so they cannot disagree.
//
//	key                       flag                         environment
//	http.listen               --http-listen                RINGCAST_HTTP_LISTEN
//	hls.partDuration          --hls-part-duration          RINGCAST_HLS_PART_DURATION
//
// A secret can also be given as the name of a file that holds it:
// RINGCAST_PUBLISH_KEY_FILE.
//
// Nothing is guessed: an unknown key, a value of the wrong type, a duration
// without a unit and an impossible value are errors ([Error]) that name the
// key, the value, what is allowed, and where it was set, with file and line.
package config

//go:generate go test -run TestGeneratedFiles . -update
