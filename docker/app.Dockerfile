FROM node:22.20.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json ./
COPY scripts/build.ts scripts/common-chunk.ts scripts/
COPY src src
RUN npm run build

# Node.js is for the training job; coffer is one file and needs nothing
FROM node:22.20.0-bookworm-slim
COPY --from=build /build/dist/coffer /usr/local/bin/coffer
COPY examples/train /app/examples/train
COPY docker/train.sh /app/docker/train.sh
# a new volume takes its owner from here; user 1000 writes to it in both images
RUN install -d -o 1000 -g 1000 /shared/artifacts
USER 1000:1000
