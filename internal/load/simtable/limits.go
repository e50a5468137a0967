package main

// limits says of targets that are not met what stands in the way, by their
// names. What is not known has no words here.
var limits = map[string]string{
	"G1 delivery":                       "newcomers in their first seconds, see tried.md",
	"G1 delivery_worst_1pct":            "newcomers: what lies between their first key frame and now has to be pulled within the little time that is left of the window",
	"G2 delivery":                       "framing and control take what is left over 1, and the publisher is slow to send all again; see the plot",
	"G3 delay_p50_s":                    "each hop costs 60 ms of way and the queue of a relay",
	"G3 delay_p99_s":                    "key frames: a burst of 43 fragments drains at the last hop in 0.2 s and more; what is pulled; at 100 members one slow member decides it",
	"G3 delay_p999_s":                   "second pulls, and members between two parents",
	"G3 twice the oracle's delay_p99_s": "the oracle knows no queue, burst or loss",
	"G5 egress_mean":                    "framing makes 1.09 of it, acknowledgements and the help for members that nobody else serves are the rest",
	"G5 egress_max_1s":                  "first hops that change are sent half a second again",
	"G6 control_share":                  "acknowledgements for every five packets, states, gossip and dialing; the last two cost the same at any rate",
	"G6 framing_share":                  "64 bytes for each fragment, and an audio message is a fragment of 186 bytes by itself",
	"G7 join_p50_s":                     "the way to the introducer and to the first neighbor takes 0.37 s of it",
	"G7 join_p99_s":                     "a newcomer of a crowd has parents for 1.6 of its 8 slices after a second, for 4.9 after two",
	"G8 delivery":                       "the trees stand again after 2 to 3 s, and nearly all that was written before that is lost",
	"G13 stall_free":                    "members that had no standby in a slice, or one that had gone, when native multicast went away",
	"G13 repair_from_source":            "members that nobody else can serve within a second ask the publisher",
	"G13 repair_ratio":                  "pulls that are asked again before the first answer has come",
	"G20 member-seconds a second":       "memory latency: each event is at another node, whose state is in no cache, and other work kept both cores busy",
	"G20 bytes_per_node":                "a window of 2,048 places takes 41 KB of it, and a node has some 30 links at 1.5 KB and up",
	"G14 audio_delivery":                "the share that the publisher leaves out is still being found, or single members lack a parent",
	"G14 keyframe_delivery":             "the same",
}
