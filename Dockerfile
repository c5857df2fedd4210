# syntax=docker/dockerfile:1

# The server (and every other command) in an image:
#   docker build -t rookery .
#   docker run -p 8700:8700 -v rookery-state:/var/lib/rookery/state -v rookery-mirror:/var/lib/rookery/mirror-root rookery
# Put both folders on one file system where you can: packages are then linked instead of copied.

FROM node:20-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts scripts
COPY src src
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends bzip2 ca-certificates gnupg lz4 lzip lzop xz-utils zstd \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY docs docs
COPY scripts scripts
COPY profiles /var/lib/rookery/profiles
COPY mirror-root /var/lib/rookery/mirror-root
RUN mkdir -p /var/lib/rookery/state \
  && chown -R node:node /var/lib/rookery \
  && chmod +x /app/dist/main.js \
  && ln -s /app/dist/main.js /usr/local/bin/rookery
USER node
WORKDIR /var/lib/rookery
ENV NODE_ENV=production ROOKERY_HTTP_HOST=0.0.0.0
VOLUME ["/var/lib/rookery/state", "/var/lib/rookery/mirror-root"]
EXPOSE 8700
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8700/healthz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/main.js", "serve"]
