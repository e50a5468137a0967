package overlay

// Status is the code of something that happened, under the name that the
// original API gives it (NetStatusEvent), such as
// "NetGroup.Neighbor.Connect".
type Status = string

// The codes of a group. The comments name the fields that come with them.
const (
	// StatusConnectSuccess: the group is joined. Group.
	StatusConnectSuccess Status = "NetGroup.Connect.Success"
	// StatusConnectFailed: it could not be joined. Group.
	StatusConnectFailed Status = "NetGroup.Connect.Failed"
	// StatusConnectRejected: the settings do not permit it. Group.
	StatusConnectRejected Status = "NetGroup.Connect.Rejected"
	// StatusConnectClosed: it has been left.
	StatusConnectClosed Status = "NetGroup.Connect.Closed"
	// StatusNeighborConnect and StatusNeighborDisconnect: a member is or is no
	// longer a neighbor. Its group address and peer ID.
	StatusNeighborConnect    Status = "NetGroup.Neighbor.Connect"
	StatusNeighborDisconnect Status = "NetGroup.Neighbor.Disconnect"
	// StatusLocalCoverage: the arc of addresses that this node answers for has
	// changed.
	StatusLocalCoverage Status = "NetGroup.LocalCoverage.Notify"
	// StatusPosting: another member has posted. The message and its ID.
	StatusPosting Status = "NetGroup.Posting.Notify"
	// StatusPostingFailed: a post could not be made.
	StatusPostingFailed Status = "NetGroup.Posting.Failed"
	// StatusSendTo: a routed message has come here. The message, the group
	// address of the neighbor it came from, and whether this node sent it.
	StatusSendTo Status = "NetGroup.SendTo.Notify"
	// StatusSendToFailed: a message could not be sent.
	StatusSendToFailed Status = "NetGroup.SendTo.Failed"
	// StatusStreamPublish and StatusStreamUnpublish: a stream of this name is
	// or is no longer in the group. Its name.
	StatusStreamPublish   Status = "NetGroup.MulticastStream.PublishNotify"
	StatusStreamUnpublish Status = "NetGroup.MulticastStream.UnpublishNotify"
	// StatusFetchSend: an object is about to be asked for. Its index.
	StatusFetchSend Status = "NetGroup.Replication.Fetch.SendNotify"
	// StatusFetchResult: an object has come. Its index and value.
	StatusFetchResult Status = "NetGroup.Replication.Fetch.Result"
	// StatusFetchFailed: a request was denied or its neighbor lost. The index;
	// it is asked for again while it is wanted.
	StatusFetchFailed Status = "NetGroup.Replication.Fetch.Failed"
	// StatusReplicationRequest: a neighbor asks for an object. Its index and
	// the ID of the request.
	StatusReplicationRequest Status = "NetGroup.Replication.Request"
)

// The codes of a stream in a group.
const (
	// StatusStreamConnectSuccess, StatusStreamConnectFailed and
	// StatusStreamConnectRejected: the stream's group could be joined or not.
	StatusStreamConnectSuccess  Status = "NetStream.Connect.Success"
	StatusStreamConnectFailed   Status = "NetStream.Connect.Failed"
	StatusStreamConnectRejected Status = "NetStream.Connect.Rejected"
	// StatusStreamReset: another stream of the same name is played now.
	StatusStreamReset Status = "NetStream.MulticastStream.Reset"
	// StatusPlayPublish and StatusPlayUnpublish: the stream that is played
	// begins or ends.
	StatusPlayPublish   Status = "NetStream.Play.PublishNotify"
	StatusPlayUnpublish Status = "NetStream.Play.UnpublishNotify"
)

// StatusOf returns the code for an event of a Ring, or "" for one that the
// original API does not tell of.
func StatusOf(k EventKind) Status {
	switch k {
	case EventNeighborUp:
		return StatusNeighborConnect
	case EventNeighborDown:
		return StatusNeighborDisconnect
	case EventCoverage:
		return StatusLocalCoverage
	}
	return ""
}

// StatusLevel returns "error" for the codes of failures and "status" for all
// else.
func StatusLevel(s Status) string {
	switch s {
	case StatusConnectFailed, StatusConnectRejected, StatusPostingFailed, StatusSendToFailed, StatusFetchFailed,
		StatusStreamConnectFailed, StatusStreamConnectRejected:
		return "error"
	}
	return "status"
}

// ReceiveMode says which routed messages a node takes (NetGroupReceiveMode).
type ReceiveMode string

// The modes.
const (
	// ReceiveExact: those for its own group address; the default.
	ReceiveExact ReceiveMode = "exact"
	// ReceiveNearest: those for addresses that no neighbor is nearer to.
	ReceiveNearest ReceiveMode = "nearest"
)

// ReplicationStrategy chooses the object that is asked for next
// (NetGroupReplicationStrategy).
type ReplicationStrategy string

// The strategies.
const (
	// ReplicationLowestFirst: in the order of indexes, to read from the start.
	ReplicationLowestFirst ReplicationStrategy = "lowestFirst"
	// ReplicationRarestFirst: what the fewest neighbors have, which is the
	// quickest for all together.
	ReplicationRarestFirst ReplicationStrategy = "rarestFirst"
)
