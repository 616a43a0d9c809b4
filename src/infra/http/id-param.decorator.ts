import { Param, PipeTransform } from '@nestjs/common';
import { notFound } from '../../common/common.errors';
import { isId } from '../../common/ids';

const idPipe: PipeTransform<string, string> = {
  transform: (value) => {
    // A text that is no id names nothing: the same 404 as for an unknown one.
    if (!isId(value)) throw notFound();
    return value.toLowerCase();
  },
};

/** A path parameter that is an id. */
export const IdParam = (name: string): ParameterDecorator => Param(name, idPipe);
