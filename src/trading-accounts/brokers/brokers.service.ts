import { Injectable } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { Broker } from './broker';
import { brokerAdapters } from './broker-adapters';

/** Finds the adapter of a broker. */
@Injectable()
export class Brokers {
  constructor(private readonly adapters: ModuleRef) {}

  /** @throws Error for a name that is not in `brokerNames`. */
  of(name: string): Broker {
    const adapter = brokerAdapters.find(({ brokerName }) => brokerName === name);
    if (!adapter) throw new Error(`there is no broker ${name}`);
    return this.adapters.get<Broker>(adapter);
  }

  /** Milliseconds after which a call to any of them has ended. */
  get longestCallMs(): number {
    return Math.max(...brokerAdapters.map((adapter) => this.adapters.get<Broker>(adapter).longestCallMs));
  }
}
