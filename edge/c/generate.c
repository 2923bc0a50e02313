/*
 * Makes a picture with an exported generator, from C: a .tflite file and a seed in, a PGM or PPM file out.
 *
 *     make -C edge/c
 *     edge/c/generate exported/dcgan_mnist/dcgan_mnist.tflite --seed 3 --out three.pgm
 *     edge/c/generate exported/cgan_mnist/cgan_mnist.tflite --seed 3 --condition 7 --out seven.pgm
 *
 * LiteRT's wheel ships the library, libLiteRt.so, but no headers: what is used of its C interface is declared below, as
 * ai-edge-litert 2.3.0 has it. Read `make_picture` first. A mistake of the user is one sentence and exit code 2.
 */

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- LiteRT 2.3.0 ------------------------------------------------------------------------------------------------ */

typedef int LiteRtStatus; /* 0 is success */
typedef struct LiteRtEnvironmentT *LiteRtEnvironment;
typedef struct LiteRtModelT *LiteRtModel;
typedef struct LiteRtSignatureT *LiteRtSignature;
typedef struct LiteRtTensorT *LiteRtTensor;
typedef struct LiteRtOptionsT *LiteRtOptions;
typedef struct LiteRtCompiledModelT *LiteRtCompiledModel;
typedef struct LiteRtTensorBufferRequirementsT *LiteRtTensorBufferRequirements;
typedef struct LiteRtTensorBufferT *LiteRtTensorBuffer;

typedef struct {
    int tag;
    struct {
        int type;
        union {
            bool as_bool;
            int64_t as_int;
            double as_real;
            const void *as_pointer;
        };
    } value;
} LiteRtEnvOption;

typedef struct {
    int element_type;
    struct {
        unsigned int rank : 7;
        bool has_strides : 1;
        int32_t dimensions[8];
        uint32_t strides[8];
    } layout;
} LiteRtRankedTensorType;

enum {
    ANY_INT = 2,
    ENVIRONMENT_ACCELERATORS = 24,
    ENVIRONMENT_LOG_SEVERITY = 25,
    ACCELERATOR_CPU = 1,
    LOG_SILENT = 4,
    FLOAT32 = 1,
    INT32 = 2,
    LOCK_READ = 0,
    LOCK_WRITE = 1
};

LiteRtStatus LiteRtCreateEnvironment(int count, const LiteRtEnvOption *options, LiteRtEnvironment *);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment, const char *path, LiteRtModel *);
LiteRtStatus LiteRtGetNumModelSignatures(LiteRtModel, size_t *);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel, size_t index, LiteRtSignature *);
LiteRtStatus LiteRtGetSignatureKey(LiteRtSignature, const char **);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature, size_t *);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature, size_t *);
LiteRtStatus LiteRtGetSignatureInputName(LiteRtSignature, size_t index, const char **);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature, size_t index, LiteRtTensor *);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature, size_t index, LiteRtTensor *);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor, LiteRtRankedTensorType *);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions *);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions, int accelerators);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment, LiteRtModel, LiteRtOptions, LiteRtCompiledModel *);
LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel, size_t signature, size_t input,
                                                           LiteRtTensorBufferRequirements *);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel, size_t signature, size_t output,
                                                            LiteRtTensorBufferRequirements *);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment, const LiteRtRankedTensorType *,
                                                             LiteRtTensorBufferRequirements, LiteRtTensorBuffer *);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer, void **memory, int mode);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel, size_t signature, size_t inputs, LiteRtTensorBuffer *,
                                    size_t outputs, LiteRtTensorBuffer *);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel);
void LiteRtDestroyOptions(LiteRtOptions);
void LiteRtDestroyModel(LiteRtModel);
void LiteRtDestroyEnvironment(LiteRtEnvironment);

/* --- the program ------------------------------------------------------------------------------------------------- */

static const char SIGNATURE[] = "generate_from_seed";

static const char USAGE[] =
    "usage: generate MODEL.tflite --out PICTURE [--seed N] [--condition NUMBERS] [--raw FILE]\n"
    "\n"
    "Makes one picture with the function generate_from_seed of an exported model.\n"
    "\n"
    "  --out PICTURE         file to write: PGM (P5) for grey pictures, PPM (P6) for colour\n"
    "  --seed N              32-bit whole number; one seed is one picture (default 0)\n"
    "  --condition NUMBERS   for a conditional model, separated by commas: the number of a class, or the attributes,\n"
    "                        or the numbers of the words of a text, as the model's card.json says\n"
    "  --raw FILE            also write the picture as the model makes it: float32 in [-1, 1], row by row\n"
    "\n"
    "A mistake is one sentence on stderr and exit code 2.\n";

typedef struct {
    const char *model;
    const char *out;
    const char *raw;
    const char *condition;
    int32_t seed;
} Options;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *sentence, ...) {
    va_list arguments;
    va_start(arguments, sentence);
    fputs("error: ", stderr);
    vfprintf(stderr, sentence, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

static void check(LiteRtStatus status, const char *what, const char *path) {
    if (status != 0) fail("LiteRT cannot %s %s (status %d): is it whole, and a model of this zoo?", what, path, status);
}

static int32_t parse_int32(const char *text, const char *what) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || value < INT32_MIN || value > INT32_MAX)
        fail("%s must be a 32-bit whole number, got '%s'", what, text);
    return (int32_t)value;
}

static float parse_float(const char *text, const char *what) {
    char *end;
    float value = strtof(text, &end);
    if (end == text || *end != '\0' || !isfinite(value)) fail("%s must be a finite number, got '%s'", what, text);
    return value;
}

static Options parse_options(int count, char **words) {
    Options options = {0};
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            fputs(USAGE, stdout);
            exit(0);
        }
        if (strncmp(word, "--", 2) != 0) {
            if (options.model != NULL) fail("there is one model at a time, got %s and %s", options.model, word);
            options.model = word;
            continue;
        }
        if (i + 1 == count) fail("%s needs a value, or is unknown (see --help)", word);
        const char *value = words[++i];
        if (strcmp(word, "--seed") == 0)
            options.seed = parse_int32(value, "--seed");
        else if (strcmp(word, "--out") == 0)
            options.out = value;
        else if (strcmp(word, "--raw") == 0)
            options.raw = value;
        else if (strcmp(word, "--condition") == 0)
            options.condition = value;
        else
            fail("there is no option %s (see --help)", word);
    }
    if (options.model == NULL || options.out == NULL) fail("a model and --out are needed (see --help)");
    return options;
}

static size_t find_signature(LiteRtModel model, const char *path, LiteRtSignature *signature) {
    size_t count;
    check(LiteRtGetNumModelSignatures(model, &count), "read", path);
    for (size_t index = 0; index < count; index++) {
        const char *key;
        check(LiteRtGetModelSignature(model, index, signature), "read", path);
        check(LiteRtGetSignatureKey(*signature, &key), "read", path);
        if (strcmp(key, SIGNATURE) == 0) return index;
    }
    fail("%s has no signature %s: it does not make pictures of seeds", path, SIGNATURE);
}

static size_t count_elements(const LiteRtRankedTensorType *type) {
    size_t count = 1;
    for (unsigned int axis = 0; axis < type->layout.rank; axis++) {
        int32_t length = type->layout.dimensions[axis];
        if (length < 1 || (count *= (size_t)length) > INT_MAX) return 0; /* dynamic, or beyond any picture */
    }
    return count;
}

/* Writes numbers separated by commas to `memory`, as many as the tensor has and of its type. */
static void fill_condition(void *memory, const LiteRtRankedTensorType *type, const char *name, const char *text) {
    size_t wanted = count_elements(type), given = 1;
    for (const char *c = text; *c != '\0'; c++) given += *c == ',';
    if (given != wanted) fail("--condition needs numbers for the input %s: %zu, got %zu", name, wanted, given);
    char *copy = strdup(text), *rest = copy;
    if (copy == NULL) fail("there is no memory left");
    for (size_t i = 0; i < wanted; i++) {
        const char *word = strsep(&rest, ",");
        if (type->element_type == INT32) {
            int32_t value = parse_int32(word, "--condition");
            if (value < 0) fail("--condition must be 0 or more for the input %s, got %s", name, word); /* it would run */
            ((int32_t *)memory)[i] = value;
        } else {
            ((float *)memory)[i] = parse_float(word, "--condition");
        }
    }
    free(copy);
}

static void fill_input(LiteRtTensorBuffer buffer, const LiteRtRankedTensorType *type, const char *name,
                       const Options *options) {
    size_t count = count_elements(type);
    bool is_seed = strcmp(name, "seed") == 0;
    if (is_seed && (type->element_type != INT32 || count != 1))
        fail("the input seed of %s is not one int32 (type %d, %zu numbers)", options->model, type->element_type, count);
    if (count == 0 || (type->element_type != INT32 && type->element_type != FLOAT32))
        fail("the input %s of %s is neither int32 nor float32 of a fixed shape", name, options->model);
    if (!is_seed && options->condition == NULL)
        fail("%s must be told what to draw by --condition: numbers for its input %s, %zu", options->model, name, count);
    void *memory;
    check(LiteRtLockTensorBuffer(buffer, &memory, LOCK_WRITE), "write the inputs of", options->model);
    if (is_seed)
        *(int32_t *)memory = options->seed;
    else
        fill_condition(memory, type, name, options->condition);
    check(LiteRtUnlockTensorBuffer(buffer), "write the inputs of", options->model);
}

/* Writes a header and bytes to a temporary name and renames it: the file is there whole or not at all. */
static void write_file(const char *path, const char *header, const void *bytes, size_t size) {
    char temporary[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.unfinished", path) >= PATH_MAX) fail("the name %s is too long", path);
    FILE *file = fopen(temporary, "wb");
    if (file == NULL) fail("cannot write %s: %s", path, strerror(errno));
    bool whole = fputs(header, file) >= 0 && fwrite(bytes, 1, size, file) == size;
    if (fclose(file) != 0 || !whole || rename(temporary, path) != 0) {
        int reason = errno;
        remove(temporary);
        fail("cannot write %s: %s", path, strerror(reason));
    }
}

/* Turns floats in [-1, 1] into bytes 0 .. 255, rounding halves to even as Python's side does, and writes them. */
static void write_picture(const float *pixels, const LiteRtRankedTensorType *type, const Options *options) {
    int32_t height = type->layout.dimensions[1], width = type->layout.dimensions[2];
    int32_t channels = type->layout.dimensions[3];
    size_t count = count_elements(type);
    unsigned char *bytes = malloc(count);
    if (bytes == NULL) fail("there is no memory left");
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(pixels[i])) fail("the picture of %s has numbers that are not finite", options->model);
        float value = rintf((pixels[i] + 1.0f) * 127.5f);
        bytes[i] = (unsigned char)(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value);
    }
    char header[64];
    snprintf(header, sizeof header, "P%d\n%d %d\n255\n", channels == 1 ? 5 : 6, (int)width, (int)height);
    write_file(options->out, header, bytes, count);
    free(bytes);
}

static void make_picture(const Options *options) {
    /* The model and its function. */
    const LiteRtEnvOption settings[] = {
        {ENVIRONMENT_ACCELERATORS, {ANY_INT, {.as_int = ACCELERATOR_CPU}}},
        {ENVIRONMENT_LOG_SEVERITY, {ANY_INT, {.as_int = LOG_SILENT}}},
    };
    LiteRtEnvironment environment;
    LiteRtModel model;
    LiteRtSignature signature;
    check(LiteRtCreateEnvironment(2, settings, &environment), "start for", options->model);
    check(LiteRtCreateModelFromFile(environment, options->model, &model), "open", options->model);
    size_t index = find_signature(model, options->model, &signature);

    size_t input_count, output_count;
    LiteRtTensor tensor;
    LiteRtRankedTensorType type;
    check(LiteRtGetNumSignatureInputs(signature, &input_count), "read", options->model);
    check(LiteRtGetNumSignatureOutputs(signature, &output_count), "read", options->model);
    if (input_count < 1 || input_count > 2 || output_count != 1)
        fail("%s of %s must have one or two inputs and one output", SIGNATURE, options->model);
    if (input_count == 1 && options->condition != NULL) fail("%s takes no --condition", options->model);

    /* The network, prepared for this CPU. */
    LiteRtOptions compilation;
    LiteRtCompiledModel network;
    check(LiteRtCreateOptions(&compilation), "start for", options->model);
    check(LiteRtSetOptionsHardwareAccelerators(compilation, ACCELERATOR_CPU), "start for", options->model);
    check(LiteRtCreateCompiledModel(environment, model, compilation, &network), "prepare", options->model);

    /* The inputs: seed, and perhaps what to draw. */
    LiteRtTensorBuffer inputs[2], output;
    LiteRtTensorBufferRequirements needs;
    for (size_t i = 0; i < input_count; i++) {
        const char *name;
        check(LiteRtGetSignatureInputName(signature, i, &name), "read", options->model);
        check(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor), "read", options->model);
        check(LiteRtGetRankedTensorType(tensor, &type), "read", options->model);
        check(LiteRtGetCompiledModelInputBufferRequirements(network, index, i, &needs), "prepare", options->model);
        check(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, &inputs[i]), "prepare",
              options->model);
        fill_input(inputs[i], &type, name, options);
    }

    /* The output: float32 (1, height, width, channels). */
    check(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor), "read", options->model);
    check(LiteRtGetRankedTensorType(tensor, &type), "read", options->model);
    int32_t channels = type.layout.dimensions[3];
    if (type.element_type != FLOAT32 || type.layout.rank != 4 || type.layout.dimensions[0] != 1 ||
        (channels != 1 && channels != 3) || count_elements(&type) == 0)
        fail("the output of %s is not one picture: float32 (1, height, width, 1 or 3)", options->model);
    check(LiteRtGetCompiledModelOutputBufferRequirements(network, index, 0, &needs), "prepare", options->model);
    check(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, needs, &output), "prepare",
          options->model);

    LiteRtStatus status = LiteRtRunCompiledModel(network, index, input_count, inputs, 1, &output);
    if (status != 0 && options->condition != NULL)
        fail("LiteRT cannot run %s (status %d): does its card know --condition %s?", options->model, status,
             options->condition);
    check(status, "run", options->model);

    void *memory;
    check(LiteRtLockTensorBuffer(output, &memory, LOCK_READ), "read the picture of", options->model);
    if (options->raw != NULL) write_file(options->raw, "", memory, count_elements(&type) * sizeof(float));
    write_picture(memory, &type, options);
    check(LiteRtUnlockTensorBuffer(output), "read the picture of", options->model);

    LiteRtDestroyTensorBuffer(output);
    for (size_t i = 0; i < input_count; i++) LiteRtDestroyTensorBuffer(inputs[i]);
    LiteRtDestroyCompiledModel(network);
    LiteRtDestroyOptions(compilation);
    LiteRtDestroyModel(model);
    LiteRtDestroyEnvironment(environment);
}

/* LiteRT's C interface trusts a file: a damaged one can crash it. So a child process makes the picture, and this one
 * says what became of it. */
int main(int count, char **words) {
    Options options = parse_options(count, words);
    FILE *readable = fopen(options.model, "rb");
    if (readable == NULL) fail("cannot read %s: %s", options.model, strerror(errno));
    fclose(readable);

    pid_t child = fork();
    if (child < 0) fail("cannot start a process: %s", strerror(errno));
    if (child == 0) {
        make_picture(&options);
        return 0;
    }
    int status;
    if (waitpid(child, &status, 0) < 0) fail("cannot wait for the process: %s", strerror(errno));
    if (WIFSIGNALED(status)) fail("LiteRT crashed on %s (signal %d): it is damaged", options.model, WTERMSIG(status));
    return WEXITSTATUS(status);
}
