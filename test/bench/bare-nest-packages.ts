/** The bare Nest application, and the packages that the service is made of: loaded, and not used. */
import '@nestjs/passport';
import '@nestjs/swagger';
import 'bcrypt';
import 'class-transformer';
import 'class-validator';
import 'ioredis';
import 'jose';
import 'otplib';
import 'pg';
import 'typeorm';
import './bare-nest';
