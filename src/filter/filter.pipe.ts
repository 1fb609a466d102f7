import { Injectable, type PipeTransform } from '@nestjs/common';
import type { ScreenedRequest } from '../domain/screened-request.js';
import type { RequestInContext } from '../request-context/request-in-context.js';
import { FilterService } from './filter.service.js';

/** A well-formed request → one that has passed the filters, the only kind the router takes. */
@Injectable()
export class FilterPipe implements PipeTransform<RequestInContext, ScreenedRequest | Promise<ScreenedRequest>> {
  constructor(private readonly filter: FilterService) {}

  transform({ chat, body, context }: RequestInContext): ScreenedRequest | Promise<ScreenedRequest> {
    return this.filter.screen({ chat, body }, context);
  }
}
