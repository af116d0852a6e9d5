/* Passwords: a file encrypted by the standard handler (40-bit RC4, revision 2), made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/fdio.h"
#include "base/mem.h"
#include "make_pdf.h"
#include "worker/reader/reader.h"

#define KEY_BYTES 5
#define HASH_BYTES 16
#define PERMISSIONS (-4)

static const unsigned char padding[33] = "\x28\xBF\x4E\x5E\x4E\x75\x8A\x41\x64\x00\x4E\x56\xFF\xFA\x01\x08"
                                         "\x2E\x2E\x00\xB6\xD0\x68\x3E\x80\x2F\x0C\xA9\xFE\x64\x53\x69\x7A";

static void rc4(const unsigned char *key, size_t key_len, const unsigned char *in, unsigned char *out,
                size_t len)
{
    unsigned char s[256];
    for (int i = 0; i < 256; i++)
        s[i] = (unsigned char)i;
    for (unsigned i = 0, j = 0; i < 256; i++) {
        j = (j + s[i] + key[i % key_len]) & 255;
        unsigned char t = s[i];
        s[i] = s[j], s[j] = t;
    }
    for (unsigned n = 0, i = 0, j = 0; n < len; n++) {
        i = (i + 1) & 255, j = (j + s[i]) & 255;
        unsigned char t = s[i];
        s[i] = s[j], s[j] = t;
        out[n] = (unsigned char)(in[n] ^ s[(s[i] + s[j]) & 255]);
    }
}

static void pad(const char *password, unsigned char out[32])
{
    size_t len = strlen(password);
    memcpy(out, password, len);
    memcpy(out + len, padding, 32 - len);
}

static void hex(const unsigned char *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static int make_encrypted(const char *user, const char *owner)
{
    unsigned char padded[32], hash[EVP_MAX_MD_SIZE], o[32], u[32], seed[32 + 32 + 4 + HASH_BYTES];
    unsigned int n;
    pad(owner, padded);
    EVP_Digest(padded, 32, hash, &n, EVP_md5(), NULL);
    unsigned char user_padded[32];
    pad(user, user_padded);
    rc4(hash, KEY_BYTES, user_padded, o, 32);
    int32_t permissions = PERMISSIONS;
    memcpy(seed, user_padded, 32);
    memcpy(seed + 32, o, 32);
    memcpy(seed + 64, &permissions, 4);
    memcpy(seed + 68, "0123456789abcdef", HASH_BYTES);
    EVP_Digest(seed, sizeof(seed), hash, &n, EVP_md5(), NULL);
    rc4(hash, KEY_BYTES, padding, u, 32);

    char o_hex[65], u_hex[65], id_hex[33], trailer[160];
    hex(o, 32, o_hex);
    hex(u, 32, u_hex);
    hex(seed + 68, HASH_BYTES, id_hex);
    struct make_pdf m;
    make_pdf_start(&m);
    make_pdf_object(&m, "<< /Type /Catalog /Pages 2 0 R >>");
    make_pdf_object(&m, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>");
    make_pdf_object(&m, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] >>");
    make_pdf_object(&m, "<< /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P %d >>", o_hex, u_hex, PERMISSIONS);
    snprintf(trailer, sizeof(trailer), "/Encrypt 4 0 R /ID [<%s> <%s>]", id_hex, id_hex);
    m.trailer = trailer;
    return make_pdf_finish(&m);
}

static int try_open(int fd, const char *password, struct err *err)
{
    struct reader_limits limits = {0};
    CLEANUP(reader_freep) struct reader *r = NULL;
    return reader_open(fd, READER_PDF, password, &limits, &r, err);
}

static void passwords_are_asked_for_and_checked(void **state UNUSED)
{
    CLEANUP(fd_closep) int fd = make_encrypted("sesame", "master");
    struct err err = ERR_INIT;
    assert_int_equal(try_open(fd, NULL, &err), ERR_AUTH);
    assert_string_equal(err.message, "a password is needed");
    assert_int_equal(try_open(fd, "", &err), ERR_AUTH);
    assert_string_equal(err.message, "a password is needed");
    assert_int_equal(try_open(fd, "Sesame", &err), ERR_AUTH);
    assert_string_equal(err.message, "the password is wrong");
    assert_int_equal(try_open(fd, "sesame", &err), 0);
    assert_int_equal(try_open(fd, "master", &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(passwords_are_asked_for_and_checked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
