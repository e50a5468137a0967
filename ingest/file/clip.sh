#!/bin/sh
# Makes clip.flv, the built-in clip: a test picture with a running time stamp
# and frame number, and a tone that beeps each second. 16 s are 400 pictures of
# 1/25 s and 750 AAC units of 1024/48000 s, so it loops without a seam. It has a
# key frame each second, and no B-frames, which would cost delay.
set -eu
cd "$(dirname "$0")"
ffmpeg -v error -y \
  -f lavfi -i 'testsrc2=size=640x360:rate=25' \
  -f lavfi -i 'sine=frequency=440:beep_factor=2:sample_rate=48000,volume=0.3' \
  -frames:v 400 -frames:a 750 \
  -c:v libx264 -preset veryslow -tune zerolatency -profile:v high -g 25 -keyint_min 25 -sc_threshold 0 \
  -pix_fmt yuv420p -b:v 640k -maxrate 800k -bufsize 400k \
  -c:a aac -b:a 64k -ac 2 -flvflags no_duration_filesize -map_metadata -1 -fflags +bitexact clip.flv
