package main

// limits says of targets that are not met what stands in the way, by their
// names. What is not known has no words here.
var limits = map[string]string{
	"G1 delivery":                       "not traced; the worst hundredth of the members has nearly all of it",
	"G1 delivery_worst_1pct":            "not traced",
	"G2 delivery":                       "the knee lies above, see the plot",
	"G3 delay_p50_s":                    "each hop costs 60 ms of way and the queue of a relay",
	"G3 delay_p99_s":                    "key frames: a burst of 43 fragments drains at the last hop in 0.2 s and more; and what is pulled",
	"G3 delay_p999_s":                   "second pulls, and members between two parents",
	"G3 twice the oracle's delay_p99_s": "the oracle knows no queue, burst or loss",
	"G5 egress_mean":                    "framing makes 1.09 of it, acknowledgements and the help for members that nobody else serves are the rest",
	"G5 egress_max_1s":                  "first hops that change are sent half a second again",
	"G6 control_share":                  "acknowledgements are two thirds of it: 52 bytes for two packets",
	"G6 framing_share":                  "64 bytes for each fragment, and an audio message is a fragment of 186 bytes by itself",
	"G7 join_p50_s":                     "the way to the introducer and to the first neighbor takes 0.37 s of it",
	"G7 join_p99_s":                     "not traced",
	"G8 delivery":                       "half of the upload is gone, and members without parents in most slices look for others all at once",
	"G13 stall_free":                    "members that had no standby in a slice, or one that had gone, when native multicast went away",
	"G13 repair_from_source":            "members that nobody else can serve within a second ask the publisher",
	"G13 repair_ratio":                  "pulls that are asked again before the first answer has come",
	"G20 member-seconds a second":       "memory latency: each event is at another node, whose state is in no cache, and other work kept both cores busy",
	"G20 bytes_per_node":                "a window of 2,048 places takes 41 KB of it, and a node has some 30 links at 1.5 KB and up",
	"G14 audio_delivery":                "a slice carries audio and video: who finds no parent for a slice lacks an eighth of the audio too",
	"G14 keyframe_delivery":             "the same: members without a parent in a slice lose an eighth of each key frame",
}
