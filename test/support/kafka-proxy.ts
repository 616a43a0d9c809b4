import { once } from 'node:events';
import { AddressInfo, connect, createServer, Socket } from 'node:net';
import { endTogether } from './end-together';

/** What of Kafka's protocol a proxy can refuse. */
export const ADD_PARTITIONS = 24;
export const INIT_PRODUCER_ID = 22;

export interface KafkaProxy {
  address: string;
  /** Answers the next requests of a kind with an error of its own; the broker does not hear of them. */
  refuse(apiKey: number, errorCode: number, times: number): void;
  /** How many were refused since. */
  refused(): number;
  stop(): void;
}

/** Stands before a broker that is never busy and never refuses anybody, and says what real ones do. */
export async function startKafkaProxy(broker: string): Promise<KafkaProxy> {
  const [host, brokersPort] = broker.split(':') as [string, string];
  const sockets = new Set<Socket>();
  let refusal = { apiKey: -1, errorCode: 0, left: 0 };
  let refused = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(brokersPort), host);
    endTogether(client, upstream, sockets);
    onEachFrame(client, (request) => {
      if (request.readInt16BE(4) !== refusal.apiKey || refusal.left === 0)
        return void upstream.write(request);
      refusal.left--;
      refused++;
      client.write(refusalOf(request, refusal.errorCode));
    });
    onEachFrame(upstream, (reply) => void client.write(withPort(reply, host, Number(brokersPort), port)));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    refuse: (apiKey, errorCode, times) => {
      refusal = { apiKey, errorCode, left: times };
      refused = 0;
    },
    refused: () => refused,
    stop: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Requests and replies begin with their length. */
function onEachFrame(socket: Socket, take: (frame: Buffer) => void): void {
  let waiting = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= 4 && waiting.length >= 4 + waiting.readInt32BE(0)) {
      const end = 4 + waiting.readInt32BE(0);
      take(waiting.subarray(0, end));
      waiting = waiting.subarray(end);
    }
  });
}

/** Brokers tell clients where to find them. */
function withPort(reply: Buffer, host: string, from: number, to: number): Buffer {
  const told = Buffer.concat([string(host), int32(from)]);
  const changed = Buffer.from(reply);
  for (let at = changed.indexOf(told); at >= 0; at = changed.indexOf(told, at + 1)) {
    changed.writeInt32BE(to, at + told.length - 4);
  }
  return changed;
}

function refusalOf(request: Buffer, errorCode: number): Buffer {
  const error = Buffer.alloc(2);
  error.writeInt16BE(errorCode);
  const isInit = request.readInt16BE(4) === INIT_PRODUCER_ID;
  const body = isInit ? [error, Buffer.alloc(10)] : partitionErrors(request, error);
  const reply = Buffer.concat([request.subarray(8, 12), int32(0), ...body]);
  return Buffer.concat([int32(reply.length), reply]);
}

/** AddPartitionsToTxn of one topic, versions 0 and 1: each partition with its error. */
function partitionErrors(request: Buffer, error: Buffer): Buffer[] {
  const clientsId = 14 + request.readInt16BE(12);
  const topicsAt = clientsId + 2 + request.readInt16BE(clientsId) + 8 + 2 + 4;
  const topicEnd = topicsAt + 2 + request.readInt16BE(topicsAt);
  const count = request.readInt32BE(topicEnd);
  const partitions = Array.from({ length: count }, (_, i) => {
    const at = topicEnd + 4 + 4 * i;
    return Buffer.concat([request.subarray(at, at + 4), error]);
  });
  return [int32(1), request.subarray(topicsAt, topicEnd), int32(count), ...partitions];
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(text: string): Buffer {
  const length = Buffer.alloc(2);
  length.writeInt16BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
}
