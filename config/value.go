package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxValueLen bounds every value, which keeps a wrong file from being quoted
// whole in an error.
const maxValueLen = 4096

// maxLen is the longest value of the setting in bytes. A groupspec, and so a
// link, may be long.
func (s *Setting) maxLen() int {
	if s.Kind == KindLinks || s.Key == "group.spec" {
		return 64 << 10
	}
	return maxValueLen
}

// set parses text and stores it in c. The error does not name the value.
func (s *Setting) set(c *Config, text string) error {
	if most := s.maxLen(); len(text) > most {
		return fmt.Errorf("is longer than %d bytes", most)
	}
	switch field := s.field(c).(type) {
	case *string:
		if err := s.checkString(text); err != nil {
			return err
		}
		*field = text
	case *bool:
		if text != "true" && text != "false" {
			return errors.New("is not a boolean")
		}
		*field = text == "true"
	case *time.Duration:
		d, err := s.parseDuration(text)
		if err != nil {
			return err
		}
		*field = d
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("is not a whole number")
		}
		if int64(n) < s.Least || int64(n) > s.Most {
			return errors.New("is out of range")
		}
		*field = n
	case *Rate:
		r, err := s.parseRate(text)
		if err != nil {
			return err
		}
		*field = r
	case *[]string:
		*field = s.split(text)
	default:
		return errors.New("can only be set in the file")
	}
	return nil
}

// split takes a list apart. Share links have commas in them and no blanks.
func (s *Setting) split(text string) (list []string) {
	if s.Kind == KindLinks {
		return strings.Fields(text)
	}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// separator stands between the items of a list in text.
func (s *Setting) separator() string {
	if s.Kind == KindLinks {
		return " "
	}
	return ","
}

func (s *Setting) checkString(text string) error {
	if len(s.Choices) > 0 && !slices.Contains(s.Choices, text) {
		return errors.New("is not one of them")
	}
	if s.Kind == KindAddress && text != "" {
		return checkAddress(text)
	}
	return nil
}

// checkAddress accepts host:port with a numeric port; the host may be empty.
func checkAddress(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("is not an address")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return errors.New("has no port between 0 and 65535")
	}
	if strings.ContainsAny(host, " /@?#") {
		return errors.New("has an impossible host")
	}
	if strings.ContainsRune(host, ':') {
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("has an impossible IPv6 address")
		}
	}
	return nil
}

func (s *Setting) parseDuration(text string) (time.Duration, error) {
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, errors.New("has no unit")
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, errors.New("is not a duration")
	case d < s.Min || d > s.Max:
		return 0, errors.New("is out of range")
	case s.Unit > 0 && d%s.Unit != 0:
		return 0, fmt.Errorf("is not a multiple of %v", s.Unit)
	}
	return d, nil
}

// parseRate reads bits per second: "none", "0", or a number with an optional
// multiplier k, M or G.
func (s *Setting) parseRate(text string) (Rate, error) {
	switch text {
	case "none":
		return RateUnlimited, nil
	case "0":
		return 0, nil
	}
	factor := 1.0
	number := text
	if text != "" {
		switch text[len(text)-1] {
		case 'k', 'K':
			factor = 1e3
		case 'M':
			factor = 1e6
		case 'G':
			factor = 1e9
		}
	}
	if factor > 1 {
		number = text[:len(text)-1]
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) {
		return 0, errors.New("is not a rate")
	}
	if f *= factor; f < float64(s.Least) || f > float64(s.Most) {
		return 0, errors.New("is out of range")
	}
	return Rate(f), nil
}

// String writes the rate as the file would.
func (r Rate) String() string {
	switch {
	case r == RateUnlimited:
		return "none"
	case r >= 1e9 && r%1e9 == 0:
		return strconv.FormatInt(int64(r/1e9), 10) + "G"
	case r >= 1e6 && r%1e6 == 0:
		return strconv.FormatInt(int64(r/1e6), 10) + "M"
	case r >= 1e3 && r%1e3 == 0:
		return strconv.FormatInt(int64(r/1e3), 10) + "k"
	}
	return strconv.FormatInt(int64(r), 10)
}

// Allowed says in words which values the setting takes.
func (s *Setting) Allowed() string {
	if len(s.Choices) > 0 {
		return strings.Join(s.Choices, ", ")
	}
	switch s.Kind {
	case KindBool:
		return "true, false"
	case KindDuration:
		allowed := fmt.Sprintf("a duration with its unit from %v to %v", s.Min, s.Max)
		if s.Unit > 0 {
			allowed += fmt.Sprintf(" in steps of %v", s.Unit)
		}
		return allowed
	case KindInt:
		return fmt.Sprintf("a whole number from %d to %d", s.Least, s.Most)
	case KindRate:
		return fmt.Sprintf("bits per second such as 20M from %v to %v, 0 to relay nothing, or none", Rate(s.Least), Rate(s.Most))
	case KindAddress:
		return "host:port such as 127.0.0.1:8080 or :8080, or empty for off"
	case KindList:
		return "strings, separated by commas"
	case KindLinks:
		return "share links (rtmfp://…#G:…), separated by blanks"
	case KindFile:
		return "the name of a file"
	case KindStreams:
		return "a list of streams with name, source, loop, key"
	}
	return "any text"
}

// text writes the value that c has for the setting as the file would.
func (s *Setting) text(c *Config) string {
	switch field := s.field(c).(type) {
	case *string:
		return *field
	case *bool:
		return strconv.FormatBool(*field)
	case *time.Duration:
		return field.String()
	case *int:
		return strconv.Itoa(*field)
	case *Rate:
		return field.String()
	case *[]string:
		return strings.Join(*field, s.separator())
	case *[]Stream:
		names := make([]string, 0, len(*field))
		for _, st := range *field {
			names = append(names, st.Name)
		}
		return strings.Join(names, ",")
	}
	return ""
}
