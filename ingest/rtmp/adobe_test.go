package rtmp

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ringcast/ringcast/ingest"
	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// dialAs connects as an encoder does, with a query behind the application, and
// returns the description of the refusal, or "" if the server accepts.
func dialAs(t *testing.T, address, query string) (*client, string) {
	t.Helper()
	c := dial(t, address)
	app := "live"
	if query != "" {
		app += "?" + query
	}
	err := c.writer.write(call(3, 0, "connect", 1, amf0.Object(
		amf0.Property{Name: "app", Value: amf0.String(app)},
		amf0.Property{Name: "type", Value: amf0.String("nonprivate")},
		amf0.Property{Name: "tcUrl", Value: amf0.String("rtmp://" + address + "/" + app)})))
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := c.reader.read()
		if err != nil {
			t.Fatal(err)
		}
		if m.kind != typeCommandAMF0 {
			continue
		}
		answer, err := parseCommand(m)
		if err != nil {
			t.Fatal(err)
		}
		switch answer.name {
		case "_result":
			return c, ""
		case "_error":
			if code := answer.arguments[1].Text("code"); code != "NetConnection.Connect.Rejected" {
				t.Errorf("refused with %s", code)
			}
			return c, answer.arguments[1].Text("description")
		}
	}
}

// challengeOf reads a server's challenge.
func challengeOf(t *testing.T, description string) url.Values {
	t.Helper()
	_, query, ok := strings.Cut(description, "?")
	values, err := url.ParseQuery(query)
	if !ok || err != nil || values.Get("reason") != "needauth" {
		t.Fatalf("no challenge: %q", description)
	}
	return values
}

// The three steps of Adobe's authentication, each with what can go wrong.
func TestAdobeAuthentication(t *testing.T) {
	config := ingest.DefaultConfig()
	config.Account = ingest.Account{User: "me", Password: "se cret&"}
	_, address := startWith(t, config, nil)

	if _, why := dialAs(t, address, ""); !strings.Contains(why, "code=403 need auth") || !strings.Contains(why, "authmod=adobe") {
		t.Errorf("the first step answers %q", why)
	}
	if _, why := dialAs(t, address, "authmod=adobe&user=you"); !strings.Contains(why, "?reason=nosuchuser") {
		t.Errorf("an unknown user: %q", why)
	}
	answer := func(password string, ch url.Values) string {
		response := adobeResponse("me", password, ch.Get("salt"), ch.Get("opaque"), "0badcafe")
		return "authmod=adobe&user=me&challenge=0badcafe&response=" + response + "&opaque=" + ch.Get("opaque")
	}
	challenge := func() url.Values {
		_, why := dialAs(t, address, "authmod=adobe&user=me")
		return challengeOf(t, why)
	}
	if _, why := dialAs(t, address, answer("wrong", challenge())); !strings.Contains(why, "?reason=authfailed") {
		t.Errorf("a wrong password: %q", why)
	}
	good := answer("se cret&", challenge())
	c, why := dialAs(t, address, good)
	if why != "" {
		t.Fatalf("the right password: %q", why)
	}
	if err := c.writer.write(call(8, 1, "publish", 5, amf0.Null(), amf0.String("cam"), amf0.String("live"))); err != nil {
		t.Fatal(err)
	}
	if code := c.status(t); code != "NetStream.Publish.Start" {
		t.Errorf("publish: %s", code)
	}
	if _, why := dialAs(t, address, good); !strings.Contains(why, "?reason=authfailed") {
		t.Errorf("an answer that was heard once counts again: %q", why)
	}
}

// An account lets in by the query too, and players are not asked. Beside keys
// nobody is asked at connect, since a key comes only with the stream's name.
func TestAccount(t *testing.T) {
	config := ingest.DefaultConfig()
	config.Account = ingest.Account{User: "me", Password: "secret"}
	_, address := startWith(t, config, &fakePlayer{messages: clipTags(t, 10)})
	if code := dial(t, address).publish(t, "live", "a?user=me&pass=secret"); code != "NetStream.Publish.Start" {
		t.Errorf("with user and password: %s", code)
	}
	if code := dial(t, address).publish(t, "live", "b?user=me&pass=wrong"); code != "NetStream.Publish.BadName" {
		t.Errorf("with a wrong password: %s", code)
	}
	c := dial(t, address)
	c.play(t, "live", "cam")
	if code := c.status(t); code != "NetStream.Play.Reset" {
		t.Errorf("a player: %s", code)
	}
	config.Key = "key"
	_, address = startWith(t, config, nil)
	if _, why := dialAs(t, address, ""); why != "" {
		t.Errorf("beside a key: %q", why)
	}
	if code := dial(t, address).publish(t, "live", "c?key=key"); code != "NetStream.Publish.Start" {
		t.Errorf("with the key: %s", code)
	}
}

// A challenge is forgotten after a while, and a flood of them is bounded.
func TestChallengesAreBounded(t *testing.T) {
	var c challenges
	now := time.Now()
	late := c.issue("me", "s", now)
	if _, ok := c.take(late, now.Add(challengeLife+time.Second)); ok {
		t.Error("a challenge counts after its time")
	}
	for range 3 * maxChallenges {
		c.issue("me", "s", now)
	}
	if len(c.open) > maxChallenges {
		t.Errorf("%d challenges are kept", len(c.open))
	}
	last := c.issue("me", "s", now)
	if _, ok := c.take(last, now); !ok {
		t.Error("a new challenge does not count")
	}
	if _, ok := c.take(last, now); ok {
		t.Error("a challenge counts twice")
	}
}
