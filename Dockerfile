# The program alone on an empty base. `make docker` builds the static binary
# first and then this image, so that nothing has to be pulled.
FROM scratch
COPY build/ringcast /ringcast
USER 65532:65532
# RTMP and RTMFP, RTSP, HTTP
EXPOSE 1935/tcp 1935/udp 8554/tcp 8080/tcp
# There is no shell and no other program to ask with. It is well if it answers
# at 127.0.0.1:8080; a node with another http.listen needs another check.
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s CMD ["/ringcast", "health"]
ENTRYPOINT ["/ringcast"]
CMD ["run"]
