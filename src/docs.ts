/** `npm run docs`: writes docs/openapi.json, docs/asyncapi.json, .env.example and the tables of the README. A test keeps them equal. */
import 'reflect-metadata';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { AppModule } from './app.module';
import { loadConfig } from './config/config';
import { envExample } from './config/env-example';
import { fillReadme } from './docs/readme-tables';
import { asyncApiDocument } from './doors/http/asyncapi';
import { openApiDocument } from './doors/http/openapi';

async function main(): Promise<void> {
  const config = loadConfig({});
  // A preview makes no instances: the routes are known without any store.
  const app = await NestFactory.create(AppModule.with(config), new FastifyAdapter(), {
    preview: true,
    abortOnError: false,
    logger: false,
  });
  writeFileSync('docs/openapi.json', `${JSON.stringify(openApiDocument(app, config), null, 2)}\n`);
  writeFileSync('docs/asyncapi.json', `${JSON.stringify(asyncApiDocument(config), null, 2)}\n`);
  writeFileSync('.env.example', envExample());
  if (existsSync('README.md')) writeFileSync('README.md', fillReadme(readFileSync('README.md', 'utf8')));
}

main().catch((error: Error) => {
  process.stderr.write(`The documentation could not be written: ${error.message}\n`);
  process.exitCode = 1;
});
