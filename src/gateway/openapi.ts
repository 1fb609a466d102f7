import { applyDecorators, type INestApplication } from '@nestjs/common';
import { ApiResponse, DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { ERRORS } from '../domain/errors.js';

type SchemaObject = NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string];

/** Documents a JSON answer by the name of its schema. */
export function jsonResponse(description: string, schema: 'Model' | 'ModelList'): MethodDecorator {
  const content = { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } };
  return ApiResponse({ status: 200, description, content });
}

/** Documents the error envelope for each status a route may answer with. */
export function errorResponses(...statuses: readonly number[]): MethodDecorator {
  return applyDecorators(
    ...statuses.map((status) =>
      ApiResponse({
        status,
        description: Object.entries(ERRORS)
          .filter(([, facts]) => facts.status === status)
          .map(([code]) => code)
          .join(', '),
        content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorEnvelope' } } },
      }),
    ),
  );
}

/** Documents a probe: the report, whether it is good or not. */
export function healthResponses(): MethodDecorator {
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/HealthReport' } } };
  return applyDecorators(
    ApiResponse({ status: 200, description: 'All that it looks at serves.', content }),
    ApiResponse({ status: 503, description: 'Something it looks at does not; its part says what.', content }),
    errorResponses(400),
  );
}

const PARTS: SchemaObject = {
  type: 'object',
  additionalProperties: {
    type: 'object',
    required: ['status'],
    properties: { status: { type: 'string', enum: ['up', 'degraded', 'down'] } },
  },
};

const HEALTH_REPORT: SchemaObject = {
  type: 'object',
  required: ['status', 'info', 'error', 'details'],
  properties: {
    status: { type: 'string', enum: ['ok', 'error', 'shutting_down'] },
    info: PARTS,
    error: PARTS,
    details: PARTS,
  },
};

const ERROR_ENVELOPE: SchemaObject = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code', 'request_id'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        code: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        request_id: { type: 'string' },
        findings: {
          type: 'array',
          items: {
            type: 'object',
            required: ['filter', 'rule', 'path', 'pointer'],
            properties: {
              filter: { type: 'string' },
              rule: { type: 'string' },
              path: { type: 'string' },
              pointer: { type: 'string', description: 'The path as a JSON pointer (RFC 6901).' },
            },
          },
        },
      },
    },
  },
};

const CHAT_COMPLETION: SchemaObject = {
  type: 'object',
  description: "OpenAI's chat completion; see OpenAI's API reference for every field.",
  required: ['id', 'object', 'created', 'model', 'choices'],
  properties: {
    id: { type: 'string' },
    object: { type: 'string', enum: ['chat.completion'] },
    created: { type: 'integer' },
    model: { type: 'string', description: 'The alias that was asked for.' },
    choices: { type: 'array', items: { type: 'object' } },
    usage: { type: 'object' },
  },
};

const MODEL: SchemaObject = {
  type: 'object',
  required: ['id', 'object', 'created', 'owned_by', 'display_name'],
  properties: {
    id: { type: 'string', description: 'The alias, as `model` of a request.' },
    object: { type: 'string', enum: ['model'] },
    created: { type: 'integer' },
    owned_by: { type: 'string', enum: ['aegis'] },
    display_name: { type: 'string' },
  },
};

const MODEL_LIST: SchemaObject = {
  type: 'object',
  required: ['object', 'data'],
  properties: {
    object: { type: 'string', enum: ['list'] },
    data: { type: 'array', items: { $ref: '#/components/schemas/Model' } },
  },
};

/** The OpenAPI document of everything this process serves on its main listener. */
export function buildOpenApiDocument(app: INestApplication): OpenAPIObject {
  const description = new DocumentBuilder()
    .setTitle('AEGIS')
    .setDescription('One governed, OpenAI-compatible gateway in front of OpenAI, Anthropic, Azure OpenAI and vLLM.')
    .setVersion('1')
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'aegis-<env>-<32 characters>' })
    .build();
  const document = SwaggerModule.createDocument(app, description);
  document.components = {
    ...document.components,
    schemas: {
      ...document.components?.schemas,
      ErrorEnvelope: ERROR_ENVELOPE,
      HealthReport: HEALTH_REPORT,
      ChatCompletion: CHAT_COMPLETION,
      Model: MODEL,
      ModelList: MODEL_LIST,
    },
  };
  return document;
}
