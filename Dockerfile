# Builds the image from a checkout:  docker build -t waystation .
# It holds the binary, the CAs and nothing else, runs as user 65532, and keeps its
# data in the one volume /data.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/waystation ./cmd/waystation \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/waystation /waystation
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
ENV WAYSTATION_DATA=/data WAYSTATION_LISTEN=0.0.0.0:4566
VOLUME /data
EXPOSE 4566
# Reachable from outside the container, the server wants keys:
#   docker run -p 4566:4566 -v ./keys.yaml:/keys.yaml:ro -e WAYSTATION_KEYS=/keys.yaml waystation
HEALTHCHECK --interval=10s --timeout=3s CMD ["/waystation", "status", "--url", "http://127.0.0.1:4566"]
ENTRYPOINT ["/waystation"]
CMD ["serve"]
