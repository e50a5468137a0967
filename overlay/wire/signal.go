package wire

// AppendAccepted appends the message that goes out between connect and ready.
// Its meaning is not known; all known peers send it.
//
//	u8 type 02
func AppendAccepted(b []byte) []byte { return append(b, TypeAccepted) }

// AppendDisconnect appends the request to end the relation.
//
//	u8 type 0c
func AppendDisconnect(b []byte) []byte { return append(b, TypeDisconnect) }

// AppendReady appends that the sender is ready for reports, and whether it
// takes routed messages for all addresses nearest to its own, or only for its
// own. It may be sent again when that changes.
//
//	u8 type 0e, or 0f for nearest
func AppendReady(b []byte, nearest bool) []byte {
	if nearest {
		return append(b, TypeReadyNearest)
	}
	return append(b, TypeReady)
}

// ParseReady reads either message of readiness. What follows is ignored.
func ParseReady(b []byte) (nearest bool, err error) {
	switch kind, ok := Kind(b); {
	case !ok:
		return false, ErrTruncated
	case kind == TypeReady, kind == TypeReadyNearest:
		return kind == TypeReadyNearest, nil
	}
	return false, ErrMalformed
}
