package reliability

// Class says what a message carries, as far as dropping and ordering under
// pressure need to know. Larger values are worth more: under pressure the
// lowest class is abandoned first.
type Class uint8

// The classes, from the first to be dropped to the last.
const (
	// ClassDisposable is a video frame that no other frame refers to.
	ClassDisposable Class = iota
	// ClassReference is a video frame that later frames of its group of
	// pictures refer to.
	ClassReference
	// ClassData is timed metadata and application data.
	ClassData
	// ClassKey is a random access video frame.
	ClassKey
	// ClassAudio is an audio frame.
	ClassAudio
	// ClassConfig is a decoder configuration or the stream's catalogue:
	// without it nothing else can be used.
	ClassConfig

	// ClassCount is the number of classes, for arrays indexed by Class.
	ClassCount = int(ClassConfig) + 1
)

// String returns the class's name as it appears in metrics and logs.
func (c Class) String() string {
	names := [ClassCount]string{"disposable", "reference", "data", "key", "audio", "config"}
	if int(c) < len(names) {
		return names[c]
	}
	return "unknown"
}
