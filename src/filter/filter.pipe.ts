import { Injectable, type PipeTransform } from '@nestjs/common';
import { AegisError } from '../domain/errors.js';
import type { ScreenedRequest, WellFormedRequest } from '../domain/screened-request.js';
import { requestContextStorage } from '../request-context/request-context.js';
import { FilterService } from './filter.service.js';

/** A well-formed request → one that has passed the filters, the only kind the router takes. */
@Injectable()
export class FilterPipe implements PipeTransform<WellFormedRequest, ScreenedRequest | Promise<ScreenedRequest>> {
  constructor(private readonly filter: FilterService) {}

  transform(request: WellFormedRequest): ScreenedRequest | Promise<ScreenedRequest> {
    const context = requestContextStorage.getStore();
    if (!context) {
      throw new AegisError('internal_error', 'AEGIS could not search this request, so it was refused.', {
        cause: new Error('the filter ran outside of a request context'),
      });
    }
    return this.filter.screen(request, context);
  }
}
