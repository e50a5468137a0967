package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	peernode "github.com/ringcast/ringcast/multicast/node"
	"github.com/ringcast/ringcast/overlay"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// chatMessage is what the commands say to each other. It travels as an object
// with the properties that chats of other makes use, too: text, user, sender.
// Nothing of it is proved: whoever is in the group can claim any name.
type chatMessage struct {
	Text, User string
	// Sender is who has written it, and To whom it is for; zero for everybody.
	Sender, To overlay.PeerID
}

// maxUser bounds a name, in characters.
const maxUser = 32

// value returns the message as it travels. Two of them are never the same, so
// that the second is not taken for the first.
func (c *chatMessage) value() peernode.Value {
	list := []amf0.Property{
		{Name: "text", Value: amf0.String(c.Text)}, {Name: "user", Value: amf0.String(c.User)}, {Name: "sender", Value: amf0.String(c.Sender.String())},
	}
	if c.To != (overlay.PeerID{}) {
		list = append(list, amf0.Property{Name: "to", Value: amf0.String(c.To.String())})
	}
	return amf0.Object(append(list, amf0.Property{Name: "sequence", Value: amf0.Number(float64(time.Now().UnixMicro()))})...)
}

// parseChat reads what a member says, of whatever make: an object with a text,
// or any other value as it is.
func parseChat(v peernode.Value) (c chatMessage) {
	if !v.IsObject() {
		c.Text = textOf(v)
		return c
	}
	text, ok := v.Get("text")
	if !ok {
		text, ok = v.Get("message")
	}
	if c.Text = textOf(v); ok {
		c.Text = textOf(text)
	}
	if c.User = v.Text("user"); c.User == "" {
		c.User = v.Text("userName")
	}
	if id, err := overlay.ParsePeerID(v.Text("sender")); err == nil {
		c.Sender = id
	}
	if id, err := overlay.ParsePeerID(v.Text("to")); err == nil {
		c.To = id
	}
	return c
}

// textOf returns a string as it is and any other value as JSON.
func textOf(v peernode.Value) string {
	if v.Kind == amf0.KindString {
		return v.String
	}
	text, _ := json.Marshal(jsonOf(v)) // it has nothing that JSON has not
	return string(text)
}

// jsonOf returns what encoding/json writes for a value. Byte arrays become
// strings of base64, what JSON has nothing for null.
func jsonOf(v peernode.Value) any {
	switch v.Kind {
	case amf0.KindNumber, amf0.KindDate:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return nil
		}
		return v.Number
	case amf0.KindBool:
		return v.Bool
	case amf0.KindString:
		return v.String
	case amf0.KindObject, amf0.KindECMAArray:
		m := make(map[string]any, len(v.Properties))
		for _, p := range v.Properties {
			m[p.Name] = jsonOf(p.Value)
		}
		return m
	case amf0.KindStrictArray:
		list := make([]any, 0, len(v.Elements))
		for _, e := range v.Elements {
			list = append(list, jsonOf(e))
		}
		return list
	case amf0.KindAMF3:
		if b, ok := v.Bytes(); ok {
			return b
		}
	}
	return nil
}

// valueOf is the value of what encoding/json has read.
func valueOf(a any) peernode.Value {
	switch a := a.(type) {
	case float64:
		return amf0.Number(a)
	case bool:
		return amf0.Bool(a)
	case string:
		return amf0.String(a)
	case []any:
		list := make([]amf0.Value, 0, len(a))
		for _, e := range a {
			list = append(list, valueOf(e))
		}
		return amf0.StrictArray(list...)
	case map[string]any:
		var list []amf0.Property
		for _, name := range slices.Sorted(maps.Keys(a)) {
			list = append(list, amf0.Property{Name: name, Value: valueOf(a[name])})
		}
		return amf0.Object(list...)
	}
	return amf0.Null()
}

// printable makes text of a stranger fit for a terminal: nothing in it moves
// the cursor, and lines after the first are set in.
func printable(text string) string {
	text = strings.ReplaceAll(strings.TrimRight(text, "\r\n"), "\r\n", "\n")
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n':
			b.WriteString("\n    ")
		case r == '\t' || r != utf8.RuneError && unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteRune('·')
		}
	}
	return b.String()
}

// shortName is how a member is called: the first digits of its peer ID and the
// name that it gives itself.
func shortName(id overlay.PeerID, user string) string {
	name := id.Short()
	if id == (overlay.PeerID{}) {
		name = "somebody"
	}
	if user = displayName(user); user == "" {
		return name
	}
	return fmt.Sprintf("%s (%s)", user, name)
}

// displayName is a name that a member gives itself as it is shown and kept: a
// line of maxUser characters at most.
func displayName(user string) string {
	user = strings.Join(strings.Fields(printable(user)), " ")
	if r := []rune(user); len(r) > maxUser {
		return string(r[:maxUser-1]) + "…"
	}
	return user
}
