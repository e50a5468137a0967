package rtmp

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ringcast/ringcast/rtmfp/amf0"
)

// The Adobe authentication takes three connections. The first is refused with
// "authmod=adobe"; the second names its user and is refused with a salt and a
// challenge; the third answers it. With
//
//	H = base64(md5(user + salt + password))
//
// the answer is base64(md5(H + opaque + challenge2)), where the client chooses
// challenge2. The password does not go over the wire, but MD5 is what it is:
// use it for encoders that know nothing else.

const (
	// challengeLife is how long a challenge may be answered, maxChallenges
	// how many are open at one time.
	challengeLife = time.Minute
	maxChallenges = 4096
)

// challenges are those that were given out and not answered. Each can be
// answered once.
type challenges struct {
	mu   sync.Mutex
	open map[string]challenge // by opaque
}

type challenge struct {
	user, salt string
	until      time.Time
}

// issue makes a challenge for a user and returns its opaque.
func (c *challenges) issue(user, salt string, now time.Time) string {
	opaque := randomHex(8)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil || len(c.open) >= maxChallenges {
		for o, old := range c.open {
			if now.After(old.until) {
				delete(c.open, o)
			}
		}
		if c.open == nil || len(c.open) >= maxChallenges {
			c.open = make(map[string]challenge) // a flood: those who waited ask again
		}
	}
	c.open[opaque] = challenge{user, salt, now.Add(challengeLife)}
	return opaque
}

// take returns the challenge of an opaque, which counts no more then.
func (c *challenges) take(opaque string, now time.Time) (challenge, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, ok := c.open[opaque]
	delete(c.open, opaque)
	return ch, ok && now.Before(ch.until)
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// authenticate handles the Adobe authentication of a connecting client and
// returns why it is refused, empty if it is not.
//
// Publishers are asked for an account where nothing but the account lets them
// in: those with a key give it later, with the stream's name, and would not
// know what to answer here.
func (s *session) authenticate(o amf0.Value) (refusal string) {
	account, keys := s.server.registry.Account()
	_, query, _ := strings.Cut(s.app, "?")
	_, more, _ := strings.Cut(s.tcURL, "?")
	q := queries{query, more}
	if !account.IsSet() {
		return ""
	}
	user := q.get("user")
	switch {
	case q.get("authmod") == "adobe" && user != account.User:
		return "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=nosuchuser"
	case q.get("authmod") == "adobe" && q.get("response") == "":
		salt := randomHex(4)
		opaque := s.server.challenges.issue(user, salt, time.Now())
		return fmt.Sprintf("[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=needauth&user=%s&salt=%s&challenge=%s&opaque=%s", user, salt, opaque, opaque)
	case q.get("authmod") == "adobe":
		ch, ok := s.server.challenges.take(q.get("opaque"), time.Now())
		want := adobeResponse(ch.user, account.Password, ch.salt, q.get("opaque"), q.get("challenge"))
		if !ok || ch.user != user || subtle.ConstantTimeCompare([]byte(want), []byte(q.get("response"))) != 1 {
			return "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed"
		}
		s.authorized = true
		return ""
	case !keys && publishes(o) && user == "":
		return "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : "
	}
	return ""
}

// publishes reports whether a client that connects wants to publish. Encoders
// say so in one of two ways.
func publishes(o amf0.Value) bool {
	return o.Text("type") == "nonprivate" || strings.HasPrefix(o.Text("flashVer"), "FMLE/")
}

// adobeResponse is what a client answers to a challenge.
func adobeResponse(user, password, salt, opaque, challenge2 string) string {
	sum := func(text string) string {
		digest := md5.Sum([]byte(text))
		return base64.StdEncoding.EncodeToString(digest[:])
	}
	return sum(sum(user+salt+password) + opaque + challenge2)
}

// reject refuses a connection and lets the client read why.
func (s *session) reject(transaction float64, description string) error {
	err := s.writer.write(
		control(typeSetChunkSize, sendChunkSize), // the reason is longer than a chunk
		call(chunksCommand, 0, "_error", max(transaction, 1), amf0.Null(), information("error", "NetConnection.Connect.Rejected", description)))
	if err != nil {
		return err
	}
	s.wait(s.ctx)
	return fmt.Errorf("%w: %s", errRefused, "authentication")
}
