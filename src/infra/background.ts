import { DynamicModule, Module } from '@nestjs/common';

/** Injection token of a boolean: whether this process runs loops (event relay, mail). A command of the CLI does not. */
export const BACKGROUND = Symbol('background');

@Module({})
export class BackgroundModule {
  static with(enabled: boolean): DynamicModule {
    return {
      module: BackgroundModule,
      global: true,
      providers: [{ provide: BACKGROUND, useValue: enabled }],
      exports: [BACKGROUND],
    };
  }
}
