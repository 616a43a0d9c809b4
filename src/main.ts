import 'reflect-metadata';
import { createApp } from './app.setup';
import { loadConfig } from './config/config';

async function main(): Promise<void> {
  const config = loadConfig(process.env);
  const app = await createApp(config);
  await app.listen(config.PORT, config.HOST);
}

void main();
