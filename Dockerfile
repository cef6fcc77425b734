# A static binary in an image that holds nothing else but certificate authorities.
#
#   docker build -t posthaste .
#   docker run -p 7678:7678 -v posthaste:/data -e POSTHASTE_ADMIN_KEY="$(openssl rand -hex 24)" posthaste

FROM rust:1.95-alpine AS build
# The C compiler's headers: SQLite, ring and the allocator are C.
RUN apk add --no-cache musl-dev
# The image's own toolchain; rust-toolchain.toml would download another.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/source/target \
    cargo build --release --locked -p posthaste-server \
    && cp target/release/posthaste /posthaste \
    && mkdir /data

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /posthaste /usr/local/bin/posthaste
# A volume that is mounted here for the first time takes this directory's owner.
COPY --from=build --chown=nonroot:nonroot /data /data
WORKDIR /data
# Beyond loopback it asks for POSTHASTE_ADMIN_KEY, and says so if there is none.
ENV POSTHASTE_LISTEN=0.0.0.0:7678 \
    POSTHASTE_DATABASE_URL=sqlite:/data/posthaste.db
VOLUME /data
EXPOSE 7678
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["posthaste", "healthcheck"]
ENTRYPOINT ["posthaste"]
CMD ["serve"]
