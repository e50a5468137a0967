package rtmp

import (
	"errors"

	"github.com/ringcast/ringcast/rtmfp/amf0"
)

var errCommand = errors.New("malformed command")

// command is a parsed command message.
type command struct {
	name        string
	transaction float64
	arguments   []amf0.Value // the command object first
	stream      uint32
}

// parseCommand reads a command message in AMF0, or in the AMF3 form that
// begins with a byte to skip.
func parseCommand(m message) (command, error) {
	body := m.body
	if m.kind == typeCommandAMF3 && len(body) > 0 && body[0] == 0 {
		body = body[1:]
	}
	values, err := amf0.ParseAll(body)
	if err != nil {
		return command{}, err
	}
	if len(values) < 1 || values[0].Kind != amf0.KindString {
		return command{}, errCommand
	}
	c := command{name: values[0].String, stream: m.stream}
	if len(values) > 1 {
		c.transaction, c.arguments = values[1].Number, values[2:]
	}
	return c, nil
}

// text returns an argument if it is a string; the command object is 0.
func (c *command) text(i int) string {
	if i < len(c.arguments) && c.arguments[i].Kind == amf0.KindString {
		return c.arguments[i].String
	}
	return ""
}

// object returns the command object.
func (c *command) object() amf0.Value {
	if len(c.arguments) > 0 {
		return c.arguments[0]
	}
	return amf0.Value{}
}

// call returns a command message.
func call(chunks int, stream uint32, name string, transaction float64, arguments ...amf0.Value) message {
	values := append([]amf0.Value{amf0.String(name), amf0.Number(transaction)}, arguments...)
	return message{kind: typeCommandAMF0, chunks: chunks, stream: stream, body: amf0.Append(nil, values...)}
}

// status returns an onStatus message.
func status(stream uint32, level, code, description string) message {
	return call(chunksStatus, stream, "onStatus", 0, amf0.Null(), information(level, code, description))
}

// data returns a data message of a stream.
func data(stream uint32, values ...amf0.Value) message {
	return message{kind: typeDataAMF0, chunks: chunksData, stream: stream, body: amf0.Append(nil, values...)}
}

func information(level, code, description string) amf0.Value {
	return amf0.Object(
		amf0.Property{Name: "level", Value: amf0.String(level)},
		amf0.Property{Name: "code", Value: amf0.String(code)},
		amf0.Property{Name: "description", Value: amf0.String(description)})
}
