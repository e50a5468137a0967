# The program alone on an empty base. `make docker` builds the static binary
# first and then this image, so that nothing has to be pulled.
FROM scratch
COPY build/ringcast /ringcast
USER 65532:65532
# RTMP and RTMFP, RTSP, HTTP
EXPOSE 1935/tcp 1935/udp 8554/tcp 8080/tcp
ENTRYPOINT ["/ringcast"]
CMD ["run"]
