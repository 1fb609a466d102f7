# syntax=docker/dockerfile:1

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-json --loglevel=error
COPY .swcrc ./
COPY scripts scripts
COPY migrations migrations
COPY src src
COPY config/secret-rules.yaml config/personal-data-rules.yaml config/
RUN node scripts/build.mjs

FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Nothing optional is of use here: a driver for another runtime, a compiler that a plugin would take if it found one.
# The OpenAPI document is served as JSON; the page that would draw it is never loaded.
RUN npm ci --omit=dev --omit=optional --no-json --loglevel=error && rm -rf node_modules/swagger-ui-dist

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json ./
# Without the simulator; another set is mounted over it, or named by AEGIS_CONFIG_DIR.
COPY config/production config
# The journal of what was used: the one place that is written to. Mount a volume that outlives the container.
# The key that seals the audit is mounted beside it.
RUN mkdir -p /var/lib/aegis/journal /var/lib/aegis/audit && chown -R 1000:1000 /var/lib/aegis
# A number, so that an orchestrator can see that it is not root. Nothing below /app belongs to it, and nothing is
# written there: the root file system may be read-only.
USER 1000:1000
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.GATEWAY_PORT || 8080}/aegis/v1/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--enable-source-maps", "dist/src/cli/main.js"]
CMD ["serve"]
