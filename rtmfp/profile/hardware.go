package profile

import "golang.org/x/sys/cpu"

// HardwareAES reports whether this machine has instructions for AES and for
// the multiplication that goes with it in GCM, so that it is faster than
// ChaCha20-Poly1305.
func HardwareAES() bool {
	return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ || cpu.ARM64.HasAES && cpu.ARM64.HasPMULL ||
		cpu.S390X.HasAESGCM
}
