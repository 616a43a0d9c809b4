# syntax=docker/dockerfile:1
ARG NODE_VERSION=22

# Compiles with everything that package-lock.json names.
FROM node:${NODE_VERSION}-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY migrations ./migrations
COPY src ./src
RUN npm run build

# What the service needs while it runs, and nothing else.
FROM node:${NODE_VERSION}-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund && npm cache clean --force

FROM node:${NODE_VERSION}-bookworm-slim
ENV NODE_ENV=production ENVIRONMENT=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
# Uid 1000. It owns nothing here; the master key is mounted at /app/keys and has to be readable by it alone.
USER node
EXPOSE 8001
# Liveness, not readiness: a database that is away is no reason to restart the service.
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "--eval", "fetch('http://127.0.0.1:' + (process.env.PORT || 8001) + '/health/live').then((reply) => process.exit(reply.ok ? 0 : 1), () => process.exit(1))"]
# Migrations are a step of their own: node dist/src/migrate.js
CMD ["node", "dist/src/main.js"]
